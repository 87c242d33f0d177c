"""Create the tags that an attach lacks, ours or those of a map; make dropped ones again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, select

from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.records import JobRecord, is_dropped
from tagsweep.worker.models.tables import Id, tag
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


def restore(connection: Connection, job: JobRecord) -> list[dict[str, Any]]:
    """Make the tags again that the job's targets are marked to have lost; return the targets.

    One stays marked if another tag has its name by now.
    """
    lost = [one for one in job.targets if is_dropped(one)]
    if not lost:
        return job.targets
    # in the order of their names, as those who create tags
    rows = [_row(job, one) for one in sorted(lost, key=lambda one: str(one["name"]))]
    connection.execute(insert_missing(connection, tag), rows)
    ids = [row["id"] for row in rows]
    query = select(tag.c.id).where(tag.c.tenant == job.tenant, tag.c.id.in_(ids))
    there = {str(one) for one in connection.execute(query).scalars()}
    return [
        {name: value for name, value in one.items() if name != "dropped"}
        if one["id"] in there
        else one
        for one in job.targets
    ]


def _row(job: JobRecord, one: dict[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(one[name]) for name in ("created_at", "updated_at")}
    return {"id": UUID(one["id"]), "tenant": job.tenant, "name": one["name"], **times}
