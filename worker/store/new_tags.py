"""Create the tags that an attach lacks, in our own table or in that of a map."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from uuid import UUID

from sqlalchemy import Connection, TextClause

from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.tables import Id
from tagsweep.worker.store import bulk_load
from tagsweep.worker.store.layout import Layout

# in the order of the names, so that two transactions that create the same tags do not deadlock
_CREATE = """
INSERT INTO {at.tags} ({at.tags_inserted})
SELECT {at.tags_inserting} FROM (SELECT CAST(:name AS text), CAST(:id AS uuid)) AS new (name, id)
WHERE NOT EXISTS (SELECT 1 FROM {at.tags} WHERE {at.tags_own} AND {at.tags_name} = :name)
ON CONFLICT DO NOTHING
"""


@cache
def _creating(at: Layout) -> TextClause:
    return typed(at.write(_CREATE), {"id": Id()})


def create(connection: Connection, at: Layout, tenant: str, ids: Mapping[str, UUID]) -> None:
    """Create those of the tenant's tags of these names that are missing."""
    if not at.mapped:
        bulk_load.create_tags(connection, tenant, ids)
        return
    own = {"tenant": tenant, **at.tags_values}
    rows = [{"name": name, "id": ids[name], **own} for name in sorted(ids)]
    connection.execute(_creating(at), rows)
