"""Signing secrets at rest: encrypted with a key that only the environment holds."""

from __future__ import annotations

from tagsweep.worker.encryption.sealing import Sealing

_SEALING = Sealing(
    b"tagsweep signing secrets",
    "TAGSWEEP_SECRET_KEY is not set: signing secrets are encrypted with it. Make one with "
    "`openssl rand -hex 32`, and give the same to every gateway.",
    "TAGSWEEP_SECRET_KEY is not the key that the signing secret of credential {id} was "
    "encrypted with.",
)

#: the secret of a credential: encrypted, decrypted, and whether the newest key opens it
seal, unseal, opened = _SEALING.seal, _SEALING.unseal, _SEALING.opened
