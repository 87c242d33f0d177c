"""Secrets at rest: encrypted with a key that only the environment holds."""

from __future__ import annotations

import os
from functools import cache
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


def seal(secret: str, owner: UUID) -> bytes:
    """Return ``secret`` encrypted for the credential ``owner``; raises SettingsError without a key.

    Moved to another credential's row, it cannot be decrypted.
    """
    nonce = os.urandom(NONCE)
    return nonce + _ciphers()[0].encrypt(nonce, secret.encode(), owner.bytes)


def unseal(sealed: bytes, owner: UUID) -> str:
    """Return the secret; raises SettingsError without the key it was encrypted with."""
    return opened(sealed, owner)[0]


def opened(sealed: bytes, owner: UUID) -> tuple[str, bool]:
    """Return the secret, and whether the newest key opens it; raises SettingsError likewise."""
    for number, cipher in enumerate(_ciphers()):
        try:
            secret = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], owner.bytes)
        except InvalidTag:
            continue
        return secret.decode(), number == 0
    raise SettingsError(WRONG.format(id=owner))


def _ciphers() -> list[AESGCM]:
    """Return a cipher for each key of the setting, the newest first."""
    key = settings.load().secret_key
    if key is None:
        raise SettingsError(MISSING)
    return [_cipher(each.strip()) for each in key.get_secret_value().split(",")]


@cache
def _cipher(key: str) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tagsweep signing secrets")
    return AESGCM(derive.derive(key.encode()))
