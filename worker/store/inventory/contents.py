"""What the store holds, in the roughest terms: whether it is empty, and what there is to show."""

from __future__ import annotations

from sqlalchemy import Connection, select

from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.tables import job, tag, tag_link, workspace


def held(connection: Connection) -> list[str]:
    """Return what the store holds, of any tenant: ``tags``, ``workspaces``, ``jobs``."""
    tables = {"tags": tag, "workspaces": workspace, "jobs": job}
    return [
        name
        for name, table in tables.items()
        if connection.execute(select(table.c.id).limit(1)).first() is not None
    ]


def a_tagged_type(connection: Connection, tenant: str) -> str | None:
    """Return a type of which resources carry tags of the tenant; None if none do."""
    query = select(tag_link.c.resource_type).join(tag).where(tag.c.tenant == tenant).limit(1)
    number: int | None = connection.execute(query).scalar()
    return None if number is None else RESOURCE_TYPES[number - 1]
