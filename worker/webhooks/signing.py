"""Secrets of webhooks, and the signatures made with them (Standard Webhooks, symmetric)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from uuid import UUID

from pydantic import SecretStr

from tagsweep.worker.encryption.sealing import Sealing
from tagsweep.worker.errors import SettingsError

MARK = "whsec_"
#: bytes of a secret
NEW, SHORTEST, LONGEST = 32, 24, 64

NO_SECRET = (
    f"Must be {MARK} followed by {SHORTEST} to {LONGEST} random bytes in base64; leave it out, and "
    "one is made."
)

_SEALING = Sealing(
    b"tagsweep webhook secrets",
    "TAGSWEEP_SECRET_KEY is not set: the secrets of webhooks are encrypted with it. Make one with "
    "`openssl rand -hex 32`, and give the same to every gateway and worker.",
    "TAGSWEEP_SECRET_KEY is not the key that the secret of webhook {id} was encrypted with.",
)

#: the secret of a webhook: encrypted, decrypted, and whether the newest key opens it
seal, unseal, opened = _SEALING.seal, _SEALING.unseal, _SEALING.opened
#: what to do where there is no key to encrypt secrets with; None if there is one
without_key = _SEALING.without_key


def why_closed(sealed: bytes, owner: UUID) -> str | None:
    """Return why the secret cannot be decrypted here; None if it can."""
    try:
        unseal(sealed, owner)
    except SettingsError as error:
        return str(error)
    return None


def new_secret() -> str:
    """Return a new random secret."""
    return MARK + base64.b64encode(secrets.token_bytes(NEW)).decode()


def given_or_new(given: SecretStr | None) -> str:
    """Return the secret that was given, or else a new one."""
    return given.get_secret_value() if given else new_secret()


def is_secret(text: str) -> bool:
    """Tell whether ``text`` is a secret that is long enough."""
    try:
        key = base64.b64decode(text.removeprefix(MARK), validate=True)
    except (ValueError, binascii.Error):
        return False
    return text.startswith(MARK) and SHORTEST <= len(key) <= LONGEST


def headers(
    event_id: str, timestamp: int, body: str, secrets_: Iterable[str]
) -> list[tuple[str, str]]:
    """Return the headers by which a receiver that has any of the secrets knows the sender."""
    signed = f"{event_id}.{timestamp}.{body}".encode()
    signatures = " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets_)
    return [
        ("webhook-id", event_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", signatures),
    ]


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(MARK))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def secrets_of(owner: UUID, sealed: bytes, sealed_previous: bytes | None) -> list[str]:
    """Return the secrets of a webhook, the current one first; raises SettingsError."""
    current = unseal(sealed, owner)
    return [current, unseal(sealed_previous, owner)] if sealed_previous else [current]
