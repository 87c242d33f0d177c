"""Keys as pages show them: each function is one transaction, run in a thread."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tagsweep.producer.gateway.auth import credentials, listing
from tagsweep.producer.gateway.auth.credentials import Credential
from tagsweep.worker import database
from tagsweep.worker.models.requester import Requester


def listed(tenant: str | None) -> list[dict[str, Any]]:
    """Return the keys of a tenant or of all, oldest first, without secrets."""
    with database.reading() as connection:
        return listing.listed(connection, tenant)


def one(key_id: UUID) -> Credential | None:
    """Return a key that is not revoked."""
    with database.reading() as connection:
        found = credentials.find(connection, str(key_id))
    return found if found and found.revoked_at is None else None


def revoke(key_id: UUID, by: Requester) -> bool:
    """Revoke a key, as ``by`` asks; False if there is none, or it was revoked before."""
    with database.transaction() as connection:
        return credentials.revoke(connection, key_id, by)
