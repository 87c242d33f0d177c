"""Take tags off resources, as the detach contract has it: the links go, the tags stay.

A link that was attached after the job was accepted is not its to remove: both times are the
database's own.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.types import Id
from tagsweep.worker.store import links, ranges
from tagsweep.worker.store.links import report
from tagsweep.worker.store.ranges import (
    cut,
    later,
    listed,
    remaining,
)

__all__ = [
    "apply",
    "count",
    "cut",
    "later",
    "listed",
    "match",
    "prepare",
    "remaining",
    "report",
    "younger",
]

# With BETWEEN a chunk is one range of the key, where its ids are looked up in a hash table, and no
# index descent for each of them; a join would have the rows in the order of the ids, all over the
# table, where this has them page by page (docs/decisions/0012).
_POSTGRESQL = """
    {verb} FROM @tag_link
    WHERE tag_id {tags} AND resource_type = :resource_type
      AND resource_id = ANY (:ids) AND resource_id BETWEEN :low AND :high
      AND created_at {when} :accepted_at
    {told}
"""
YOUNGER = "It carries the tag now: it was attached after the job was accepted."

_IDS = {"tag_id": Id(), "resource_id": Id()}
_DELETE = {"verb": "DELETE", "when": "<=", "told": "RETURNING tag_id, resource_id"}
_COUNTED = {"verb": "SELECT count(*)", "when": "<=", "told": ""}
_YOUNGER = {"verb": "SELECT tag_id, resource_id", "when": ">", "told": ""}
_ONE_TAG = links.recorded(_POSTGRESQL.format(tags="= :tag", **_DELETE), one_tag=True)
_SOME_TAGS = links.recorded(_POSTGRESQL.format(tags="= ANY (:tags)", **_DELETE))
_COUNT = links.statement(_POSTGRESQL.format(tags="= ANY (:tags)", **_COUNTED))
_LIST_YOUNGER = links.statement(_POSTGRESQL.format(tags="= ANY (:tags)", **_YOUNGER)).columns(
    **_IDS
)

# SQLite reads the packed ids where they lie, 16 bytes at a time
_SQLITE = """
WITH RECURSIVE at (byte) AS (
    SELECT 1 UNION ALL SELECT byte + 16 FROM at WHERE byte + 16 < :bytes
)
{verb} FROM @tag_link
WHERE tag_id = :tag AND resource_type = :resource_type AND created_at {when} :accepted_at
  AND resource_id IN (SELECT substr(:ids, byte, 16) FROM at)
"""
_DELETE_SQLITE = links.statement(_SQLITE.format(**_DELETE) + "RETURNING resource_id")
_COUNT_SQLITE = links.statement(_SQLITE.format(**_COUNTED))
_LIST_YOUNGER_SQLITE = links.statement(_SQLITE.format(**_YOUNGER)).columns(**_IDS)


def match(connection: Connection, tenant: str, head: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tenant's tags that are named, each once, in the order of ``names``."""
    names = list(dict.fromkeys(head["names"]))
    found = links.tags(connection, tenant, names)
    return [found[name] for name in names if name in found]


def prepare(connection: Connection, job: JobRecord) -> list[dict[str, Any]]:  # noqa: ARG001  # the same words for each kind
    """Create nothing: what a detach acts on is there."""
    return job.targets


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of the chunk ``apply`` would remove."""
    if chunk.span:
        return ranges.count(connection, job, chunk)
    return links.count(connection, job, chunk, (_COUNT, _COUNT_SQLITE))


def younger(connection: Connection, job: JobRecord, chunk: Chunk) -> dict[tuple[int, bytes], str]:
    """Return what of a chunk's list carries the tags now, but only since the job was accepted.

    By the tag's place among the job's targets and the resource; as a sentence for people.
    """
    place = {UUID(one["id"]): at for at, one in enumerate(job.targets)}
    wanted = [UUID(one["id"]) for one in job.targets_of(chunk)]
    values = links.values(job, chunk)
    if connection.dialect.name == "sqlite":
        found = [connection.execute(_LIST_YOUNGER_SQLITE, {**values, "tag": one}) for one in wanted]
    else:
        packed = b"".join(one.bytes for one in wanted)
        found = [connection.execute(_LIST_YOUNGER, {**values, "tags": packed})]
    return {(place[row.tag_id], row.resource_id.bytes): YOUNGER for rows in found for row in rows}


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Remove the links of the chunk and record which they were; raises StoreRefused."""
    if chunk.span:
        return Outcome(ranges.remove(connection, job, chunk))
    tags = links.still_there(connection, job, chunk, keep=False)
    if not tags:
        return Outcome()  # with a tag that is gone, its links are gone too
    values = links.values(job, chunk)
    if connection.dialect.name == "sqlite":
        gone = 0
        for one in tags:
            ids = connection.execute(_DELETE_SQLITE, {**values, "tag": one}).scalars()
            gone += links.record(connection, job, chunk, one, ids)
        return Outcome(gone)
    if len(tags) == 1:
        removed = connection.execute(_ONE_TAG, {**values, "tag": tags[0]})
    else:
        packed = b"".join(one.bytes for one in tags)
        removed = connection.execute(_SOME_TAGS, {**values, "tags": packed})
    return Outcome(sum(removed.scalars()))
