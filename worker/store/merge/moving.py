"""The statements that move links from some tags to another, and the record of both."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.tables import link_change
from tagsweep.worker.store import layouts, links
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.merge import rows
from tagsweep.worker.store.statements import over

# The order is that of the key, as in an attach. Which of several names on a resource was moved,
# and which went because it was there already, follows from the record: the first one was moved.
_POSTGRESQL = """
WITH gone AS (
    DELETE FROM {at.links}
    WHERE {at.tag} = ANY (:tags) AND {at.own}
      AND {at.resource} BETWEEN :low AND :high {among} AND {at.then} AND {at.asked}
    RETURNING {at.removed}
), added AS (
    INSERT INTO {at.links} ({at.inserted})
    SELECT tag.id, {at.inserting}
    FROM (SELECT CAST(:into AS {at.tag_type})) AS tag (id)
    CROSS JOIN (SELECT DISTINCT resource_id FROM gone) AS listed (id)
    ORDER BY listed.id
    {at.conflict}
    RETURNING {at.returned}
), changed AS (
    SELECT tag_id, resource_id FROM gone UNION ALL SELECT tag_id, resource_id FROM added
), noted AS (
    INSERT INTO @removal (job_id, chunk, run, resource_type, tag_id, ids)
    SELECT :job_id, :chunk, :run, :resource_type, tag_id,
           array_agg(resource_id ORDER BY resource_id)
    FROM changed GROUP BY tag_id
    RETURNING tag_id, cardinality(ids) AS items
)
SELECT coalesce(sum(items) FILTER (WHERE tag_id <> :into), 0) AS gone,
       coalesce(sum(items) FILTER (WHERE tag_id = :into), 0) AS moved
FROM noted
"""
_TAKE_SQLITE = """
DELETE FROM {at.links}
WHERE {at.tag} = :tag AND {at.own} AND {among} AND {at.then} AND {at.asked}
RETURNING {at.returned_resource}
"""
_GIVE_SQLITE = """
INSERT INTO {at.links} ({at.inserted})
SELECT :tag, {at.inserting} FROM {listed} AS listed WHERE true
ON CONFLICT DO NOTHING
RETURNING {at.returned_resource}
"""


@cache
def _move(at: Layout, *, is_range: bool) -> TextClause:
    among = "" if is_range else f"AND {at.resource} = ANY (:ids)"
    return over(at, _POSTGRESQL, among=among)


@cache
def _take(at: Layout, *, is_range: bool) -> TextClause:
    some = "BETWEEN :low AND :high" if is_range else "IN {listed}"
    return over(at, _TAKE_SQLITE.replace("{among}", f"{{at.resource}} {some}"))


@cache
def _give(at: Layout) -> TextClause:
    return over(at, _GIVE_SQLITE)


def move(
    connection: Connection, job: JobRecord, chunk: Chunk, tags: list[UUID], into: UUID
) -> Outcome:
    """Make the chunk's links with ``tags``, in the job's order, links with ``into``."""
    at = layouts.of(job, chunk.resource_type)
    if at.mapped:
        gone, moved = rows.move(connection, job, chunk, tags, into)
        return Outcome(gone, present=gone - moved)
    values = links.values(job, chunk)
    if is_sqlite(connection):
        return _one_by_one(connection, at, values, tags, into)
    values |= {"tags": b"".join(one.bytes for one in tags), "into": into}
    row = connection.execute(_move(at, is_range=chunk.is_range), values).one()
    return Outcome(int(row.gone), present=int(row.gone - row.moved))


def _one_by_one(
    connection: Connection, at: Layout, values: dict[str, Any], tags: list[UUID], into: UUID
) -> Outcome:
    take = _take(at, is_range=not values["ids"])
    # all before any is given the other tag, which may be one of those in ``unless``
    taken = {
        each: sorted(connection.execute(take, {**values, "tag": each}).scalars()) for each in tags
    }
    for each, ids in taken.items():
        if ids:
            _record(connection, values, each, ids)
    gone = sum(map(len, taken.values()))
    if not gone:
        return Outcome()
    packed = b"".join(sorted({one for ids in taken.values() for one in ids}))
    given = {**values, "tag": into, "ids": packed, "bytes": len(packed)}
    moved = sorted(connection.execute(_give(at), given).scalars())
    if moved:
        _record(connection, values, into, moved)
    return Outcome(gone, present=gone - len(moved))


def _record(
    connection: Connection, values: dict[str, Any], tag_id: UUID, ids: Iterable[bytes]
) -> None:
    own = {name: values[name] for name in ("job_id", "chunk", "run", "resource_type")}
    row = {**own, "tag_id": tag_id, "ids": b"".join(ids)}
    connection.execute(link_change.insert(), row)
