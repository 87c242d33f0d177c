"""Encrypt the secrets of webhooks with a newer key."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.models.tables import webhook
from tagsweep.worker.webhooks import endpoints, signing


def seal_all_again() -> int:
    """Encrypt with the newest key every secret that an older one opens; return how many."""
    count = 0
    with database.transaction() as connection:
        for row in endpoints.sealed(connection):
            anew = {
                name: again
                for name in ("sealed_secret", "sealed_previous")
                if (again := _again(row.id, getattr(row, name)))
            }
            if anew:
                connection.execute(update(webhook).where(webhook.c.id == row.id).values(anew))
                count += len(anew)
    return count


def _again(owner: UUID, sealed: bytes | None) -> bytes | None:
    """Return the secret as the newest key encrypts it; None if it is so, or no key opens it."""
    if sealed is None:
        return None
    try:
        secret, is_newest = signing.opened(sealed, owner)
    except SettingsError:
        return None
    return None if is_newest else signing.seal(secret, owner)
