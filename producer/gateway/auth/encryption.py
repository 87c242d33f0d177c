"""Secrets at rest: encrypted with a key that only the environment holds."""

from __future__ import annotations

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError

NONCE = 12
MISSING = (
    "TAGSWEEP_SECRET_KEY is not set: signing secrets are encrypted with it. Make one with "
    "`openssl rand -hex 32`, and give the same to every gateway."
)
WRONG = (
    "TAGSWEEP_SECRET_KEY is not the key that the signing secret of credential {id} was "
    "encrypted with."
)


def ready() -> None:
    """Raise SettingsError if there is no key to decrypt secrets with."""
    _cipher()


def seal(secret: str, owner: UUID) -> bytes:
    """Return ``secret`` encrypted for the credential ``owner``; raises SettingsError without a key.

    Moved to another credential's row, it cannot be decrypted.
    """
    nonce = os.urandom(NONCE)
    return nonce + _cipher().encrypt(nonce, secret.encode(), owner.bytes)


def unseal(sealed: bytes, owner: UUID) -> str:
    """Return the secret; raises SettingsError without the key it was encrypted with."""
    try:
        return _cipher().decrypt(sealed[:NONCE], sealed[NONCE:], owner.bytes).decode()
    except InvalidTag:
        raise SettingsError(WRONG.format(id=owner)) from None


def _cipher() -> AESGCM:
    key = settings.load().secret_key
    if key is None:
        raise SettingsError(MISSING)
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tagsweep signing secrets")
    return AESGCM(derive.derive(key.get_secret_value().encode()))
