"""Credentials as lists show them: without their secrets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from tagsweep.producer.gateway.auth import credentials
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.tables import credential as table


def listed(connection: Connection, tenant: str | None) -> list[dict[str, Any]]:
    """Return all credentials, or those of one tenant, as JSON, oldest first, without secrets."""
    query = select(
        table.c.id,
        table.c.tenant,
        table.c.prefix,
        table.c.name,
        table.c.scopes,
        table.c.operator,
        table.c.admin,
        table.c.access_key,
        table.c.created_at,
        table.c.expires_at,
        table.c.last_used_at,
        table.c.revoked_at,
    ).order_by(table.c.created_at, table.c.id)
    if tenant is not None:
        query = query.where(table.c.tenant == tenant)
    return [_shown(dict(row._mapping)) for row in connection.execute(query)]  # noqa: SLF001  # its public name


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    stamps = {name: row[name] and stamp(row[name]) for name in times}
    row["tenant"] = row["tenant"] or None
    row["scopes"] = row["scopes"].split()
    return {**row, **stamps, "id": str(row["id"]), "prefix": f"{credentials.MARK}_{row['prefix']}"}
