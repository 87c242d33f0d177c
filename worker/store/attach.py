"""Put tags on resources: what is linked already stays as it is, its time too."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.store import bulk_load, links
from tagsweep.worker.store.links import report

__all__ = ["apply", "count", "match", "prepare", "report"]

GONE = "There is no such tag any more."

# in the order of the key, so that two jobs that add the same links wait, and do not deadlock
_POSTGRESQL = links.recorded("""
    INSERT INTO @tag_link (tag_id, resource_type, resource_id)
    SELECT tag.id, :resource_type, wanted.id
    FROM unnest(:tags) AS tag (id) CROSS JOIN unnest(:ids) AS wanted (id)
    ORDER BY tag.id, wanted.id
    ON CONFLICT DO NOTHING
    RETURNING tag_id, resource_id
""")

_SQLITE = links.statement("""
WITH RECURSIVE at (byte) AS (
    SELECT 1 UNION ALL SELECT byte + 16 FROM at WHERE byte + 16 < :bytes
)
INSERT INTO @tag_link (tag_id, resource_type, resource_id)
SELECT :tag, :resource_type, substr(:ids, byte, 16) FROM at WHERE true
ON CONFLICT DO NOTHING
RETURNING resource_id
""")


_PRESENT = links.statement("""
SELECT count(*) FROM @tag_link
WHERE tag_id = ANY (:tags) AND resource_type = :resource_type
  AND resource_id = ANY (:ids) AND resource_id BETWEEN :low AND :high
""")
_PRESENT_SQLITE = links.statement("""
WITH RECURSIVE at (byte) AS (
    SELECT 1 UNION ALL SELECT byte + 16 FROM at WHERE byte + 16 < :bytes
)
SELECT count(*) FROM @tag_link
WHERE tag_id = :tag AND resource_type = :resource_type
  AND resource_id IN (SELECT substr(:ids, byte, 16) FROM at)
""")


def match(connection: Connection, tenant: str, head: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all tags that are named, each once, in their order; missing ones as yet to be made.

    Of such a one the times are None.
    """
    names = list(dict.fromkeys(head["names"]))
    found = links.tags(connection, tenant, names)
    return [found.get(name) or _missing(name) for name in names]


def prepare(connection: Connection, job: JobRecord) -> list[dict[str, Any]]:
    """Create the tags that are missing; return the job's targets as they are then."""
    missing = {one["name"]: UUID(one["id"]) for one in job.targets if one["created_at"] is None}
    if not missing:
        return job.targets
    bulk_load.create_tags(connection, str(job.tenant), missing)
    found = links.tags(connection, job.tenant, missing)
    return [found.get(one["name"], one) for one in job.targets]


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links ``apply`` would add."""
    return chunk.items - links.count(connection, job, chunk, (_PRESENT, _PRESENT_SQLITE))


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Add the links of the chunk and record which are new; raises StoreRefused.

    Each item of a tag that is gone is failed.
    """
    tags = links.still_there(connection, job, chunk, keep=True)
    added = _add(connection, job, chunk, tags) if tags else 0
    places = range(len(job.targets)) if chunk.targets is None else chunk.targets
    gone = [place for place in places if UUID(job.targets[place]["id"]) not in tags]
    if not gone:
        return Outcome(added)
    lost = chunk.about(gone)
    return Outcome(added, lost.items, lost.failures(list(unpack(chunk.ids)), "unknown_tag", GONE))


def _add(connection: Connection, job: JobRecord, chunk: Chunk, tags: list[UUID]) -> int:
    values = links.values(job, chunk)
    if connection.dialect.name != "sqlite":
        packed = b"".join(one.bytes for one in tags)
        return sum(connection.execute(_POSTGRESQL, {**values, "tags": packed}).scalars())
    added = 0
    for one in tags:
        ids = connection.execute(_SQLITE, {**values, "tag": one}).scalars()
        added += links.record(connection, job, chunk, one, ids)
    return added


def _missing(name: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "name": name, "created_at": None, "updated_at": None}
