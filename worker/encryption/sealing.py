"""Encrypt secrets with the keys of TAGSWEEP_SECRET_KEY, each sort under a label of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError

NONCE = 12


@dataclass(frozen=True, slots=True)
class Sealing:
    """How one sort of secrets is encrypted: what is sealed under one label opens under no other."""

    label: bytes
    missing: str  #: what to say if there is no key
    wrong: str  #: what to say if no key opens a secret; ``{id}`` is its owner

    def seal(self, secret: str, owner: UUID) -> bytes:
        """Return ``secret`` encrypted for ``owner``; raises SettingsError without a key.

        Moved to another owner's row, it cannot be decrypted.
        """
        nonce = os.urandom(NONCE)
        return nonce + self._ciphers()[0].encrypt(nonce, secret.encode(), owner.bytes)

    def unseal(self, sealed: bytes, owner: UUID) -> str:
        """Return the secret; raises SettingsError without the key it was encrypted with."""
        return self.opened(sealed, owner)[0]

    def opened(self, sealed: bytes, owner: UUID) -> tuple[str, bool]:
        """Return the secret, and whether the newest key opens it; raises SettingsError likewise."""
        for number, cipher in enumerate(self._ciphers()):
            try:
                secret = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], owner.bytes)
            except InvalidTag:
                continue
            return secret.decode(), number == 0
        raise SettingsError(self.wrong.format(id=owner))

    def without_key(self) -> str | None:
        """Return what to say where there is no key; None if there is one."""
        return self.missing if settings.load().secret_key is None else None

    def _ciphers(self) -> list[AESGCM]:
        """Return a cipher for each key of the setting, the newest first."""
        key = settings.load().secret_key
        if key is None:
            raise SettingsError(self.missing)
        return [_cipher(self.label, each.strip()) for each in key.get_secret_value().split(",")]


@cache
def _cipher(label: bytes, key: str) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=label)
    return AESGCM(derive.derive(key.encode()))
