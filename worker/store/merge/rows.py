"""Rows of a map's tables, which get another tag: all else that they have stays, their key too.

A row is moved where its resource has none with the new tag. Else it is deleted, and kept for an
undo. The tag that a row is given has in the record which one it had, resource by resource.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, TextClause

from tagsweep.worker import database
from tagsweep.worker.errors import StoreRefused
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.store import layouts, links
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.statements import over
from tagsweep.worker.store.tags import counters

_Changed = Row[tuple[UUID, int, int]]  #: a tag, and how many resources and rows it got, or lost
#: how often a single resource is tried of which somebody else writes links at the same time
TRIES = 3
_TAKEN = "23505"  #: SQLSTATE: a unique key has these values already

_THESE = """
    {at.tag} = ANY (:tags) AND {at.own} AND {at.resource} BETWEEN :low AND :high {among}
    AND {at.before} AND {at.asked}
"""
# Whatever may be moved is locked first: were the first name's row deleted by its owner meanwhile,
# those of later names would go, and the resource be left with no tag at all. Columns are written
# without their table: none has the name of one of ours.
_MOVE = """
WITH held AS MATERIALIZED (
    SELECT {at.resource} AS id_of_ours, {at.tag} AS tag_of_ours FROM {at.links} WHERE {these}
    FOR UPDATE
), first_of_ours AS MATERIALIZED (
    SELECT DISTINCT ON (listed.id) listed.id AS id_of_ours, listed.held AS tag_of_ours
    FROM held AS listed (id, held) CROSS JOIN (SELECT CAST(:tag AS {at.tag_type})) AS tag (id)
    {at.missing_between}
    ORDER BY listed.id, array_position(:tags, CAST(listed.held AS {at.tag_type}))
), moved AS (
    UPDATE {at.links} SET {at.tag} = :tag FROM first_of_ours
    WHERE {at.tag} = tag_of_ours AND {at.resource} = id_of_ours AND {these}
    RETURNING {former} AS tag_id, {at.returned_resource}, {at.kept} AS kept
), gone AS (
    DELETE FROM {at.links} WHERE {these} AND NOT EXISTS (
        SELECT 1 FROM first_of_ours WHERE id_of_ours = {at.resource} AND tag_of_ours = {at.tag}
    )
    RETURNING {at.removed}
), single AS (
    SELECT tag_id, resource_id, count(*) AS lines, string_agg(kept, chr(10)) AS kept
    FROM (SELECT * FROM moved UNION ALL SELECT * FROM gone) AS changed GROUP BY 1, 2
), taken AS (
    INSERT INTO @removal (job_id, chunk, run, resource_type, tag_id, ids, kept)
    SELECT :job_id, :chunk, :run, :resource_type, tag_id, array_agg(resource_id), array_agg(kept)
    FROM (SELECT * FROM single ORDER BY tag_id, resource_id) AS sorted GROUP BY tag_id
), given AS (
    INSERT INTO @removal
        (job_id, chunk, run, resource_type, tag_id, ids, kept, restored, restored_at)
    SELECT :job_id, :chunk, :run, :resource_type, {at.this_tag},
           array_agg(resource_id), array_agg(CAST(tag_id AS text)), :place, clock_timestamp()
    FROM (SELECT DISTINCT resource_id, tag_id FROM moved ORDER BY resource_id) AS sorted
    HAVING count(*) > 0
)
SELECT tag_id, count(*) AS items, -sum(lines) AS lines FROM single GROUP BY tag_id
UNION ALL
SELECT {at.this_tag}, count(DISTINCT resource_id), count(*) FROM moved HAVING count(*) > 0
"""


@cache
def _moving(at: Layout, *, is_range: bool) -> TextClause:
    these = at.write(_THESE, among="" if is_range else f"AND {at.resource} = ANY (:ids)")
    former = at.this_tag.replace(":tag", "tag_of_ours")
    return over(at, _MOVE, these=these, former=former)


def move(
    connection: Connection, job: JobRecord, chunk: Chunk, tags: list[UUID], into: UUID
) -> tuple[int, int]:
    """Give ``into`` to what of the chunk has one of ``tags``, of several the first in their order.

    Return how many links to ``tags`` went, and how many to ``into`` came of it. Raises
    StoreRefused, also where another link to ``into`` came in between: tried again, it is seen.
    """
    found = _tried(connection, job, chunk, tags, into)
    at = layouts.of(job, chunk.resource_type)
    counters.move(connection, at, {row.tag_id: int(row.lines) for row in found})
    came = sum(int(row.items) for row in found if row.tag_id == into)
    return sum(int(row.items) for row in found) - came, came


def _tried(
    connection: Connection, job: JobRecord, chunk: Chunk, tags: list[UUID], into: UUID
) -> list[_Changed]:
    """Execute the statement; of a single resource several times if it is taken again and again.

    A larger chunk that is refused is applied by halves, and so comes to single ones.
    """
    moving = _moving(layouts.of(job, chunk.resource_type), is_range=chunk.is_range)
    values = links.values(job, chunk) | {"tags": b"".join(one.bytes for one in tags), "tag": into}
    for _ in range(TRIES - 1 if chunk.size == 1 else 0):
        try:
            with database.savepoint(connection):
                return _executed(connection, moving, values)
        except StoreRefused as refused:
            if refused.code != _TAKEN:
                raise
    return _executed(connection, moving, values)


def _executed(connection: Connection, moving: TextClause, values: dict[str, Any]) -> list[_Changed]:
    # the server expects few rows of a chunk: to look for the partner of each would take hours
    connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
    found = list(connection.execute(moving, values))
    connection.exec_driver_sql("SET LOCAL enable_nestloop TO DEFAULT")
    return found
