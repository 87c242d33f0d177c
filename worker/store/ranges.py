"""The links that ``"*"`` selects, cut into ranges of the key, so that no ids are transferred.

A range is one tag, one type, and the lowest and highest of so many resources. Applying it removes
those of its links that existed when the job was accepted; links created later stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, select
from sqlalchemy.sql.selectable import TextualSelect

from tagsweep.worker import database
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import Id, clock
from tagsweep.worker.store import layouts, links
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.statements import PerDialect, over, recorded, returning

# Steps from the first link of a range to that of the next: the index alone is read. The time at
# which a link was created is in the table, where its neighbours are not: to look at it takes longer
# than to remove them all.
_STEP = """
WITH RECURSIVE first (id) AS (
    SELECT * FROM (
        SELECT {at.resource} FROM {at.links} WHERE {at.tag} = :tag AND {at.own} AND {at.asked}
        ORDER BY {at.resource} LIMIT 1
    ) AS lowest
    UNION ALL
    SELECT (
        SELECT {at.distinct}{at.resource} FROM {at.links}
        WHERE {at.tag} = :tag AND {at.own} AND {at.resource} >= first.id AND {at.asked}
        ORDER BY {at.resource} LIMIT 1 OFFSET :limit
    ) FROM first WHERE first.id IS NOT NULL
)
SELECT {at.found} FROM first WHERE id IS NOT NULL
"""
_HIGHEST = UUID(int=2**128 - 1)

_RANGE = """
{verb} FROM {at.links}
WHERE {at.tag} = :tag AND {at.own}
  AND {at.resource} BETWEEN :low AND :high AND {when} AND {at.asked}
{end}
"""
_MATCHING = """
SELECT {at.counted} FROM {at.links} WHERE {at.tag} {tags} AND {at.own} AND {at.asked}
"""


@cache
def _step(at: Layout) -> TextualSelect:
    return over(at, _STEP).columns(id=Id())


@cache
def _delete(at: Layout) -> PerDialect:
    end = returning(at, one_tag=True, removed=True)
    resources = f"RETURNING {at.returned_resource}"
    parts = {"verb": "DELETE", "when": at.then}
    return PerDialect(
        recorded(at, _RANGE, one_tag=True, end=end, **parts),
        over(at, _RANGE, end=resources, **parts),
    )


@cache
def _counting(at: Layout, when: str) -> TextClause:
    return over(at, _RANGE, verb=f"SELECT {at.counted}", when=when, end="")


@cache
def _listing(at: Layout) -> TextualSelect:
    parts = {"verb": f"SELECT {at.distinct}{at.returned_resource}", "when": at.then}
    end = "ORDER BY resource_id" if at.distinct else f"ORDER BY {at.resource}"
    return over(at, _RANGE, end=end, **parts).columns(resource_id=Id())


@cache
def _matching(at: Layout) -> PerDialect:
    return PerDialect(
        over(at, _MATCHING, tags="= ANY (:tags)"),
        over(at, _MATCHING, tags="= :tag"),
    )


def cut(connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
    """Yield ranges of up to ``limit`` links that hold all that the job selects, unnumbered.

    Links created between its acceptance and now are counted too, until their range is applied
    (``later``).
    """
    for place, target in enumerate(job.targets):
        for resource_type in job.selected:
            starts = firsts(connection, job, resource_type, target, limit)
            for first, following in zip_longest(starts, starts[1:]):
                last = UUID(int=following.int - 1) if following else _HIGHEST
                span = (str(first), str(last))
                one = Chunk(0, resource_type, limit, targets=[place], span=span)
                yield one if following else replace(one, items=_count_all(connection, job, one))


def firsts(
    connection: Connection, job: JobRecord, resource_type: int, target: dict[str, Any], limit: int
) -> list[UUID]:
    """Return the resource of the first of every ``limit`` links of a tag that the job selects."""
    values = {"tag": UUID(target["id"]), "resource_type": resource_type, "limit": limit}
    values |= layouts.values(job, resource_type)
    step = _step(layouts.of(job, resource_type))
    return list(connection.execute(step, values).scalars())


def _count_all(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    counting = _counting(layouts.of(job, chunk.resource_type), "true")
    return int(connection.execute(counting, _values(job, chunk)).scalar_one())


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range ``remove`` would remove."""
    at = layouts.of(job, chunk.resource_type)
    return int(connection.execute(_counting(at, at.then), _values(job, chunk)).scalar_one())


def later(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range were created between the job's acceptance and the cut."""
    at = layouts.of(job, chunk.resource_type)
    split_at = job.started_at or connection.execute(select(clock())).scalar_one()
    values = {**_values(job, chunk), "split_at": split_at}
    return int(connection.execute(_counting(at, at.between), values).scalar_one())


def remove(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Remove the links of a range and record which they were; return how many."""
    delete = _delete(layouts.of(job, chunk.resource_type))
    return links.change(connection, job, chunk, [_tag(job, chunk)], delete)


def listed(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Return the links of a range that would be removed, as a chunk that lists them."""
    listing = _listing(layouts.of(job, chunk.resource_type))
    ids = connection.execute(listing, _values(job, chunk)).scalars()
    packed = b"".join(each.bytes for each in ids)
    return [chunk.listing(ids=packed)] if packed else []


def matching(connection: Connection, job: JobRecord) -> int:
    """Return how many of the selected links carry the job's tags, whenever they were created."""
    with database.pages_changed(connection):
        return sum(
            links.count(connection, job, _whole(number), _matching(layouts.of(job, number)))
            for number in job.selected
        )


def _whole(resource_type: int) -> Chunk:
    return Chunk(0, resource_type, 0, span=(str(UUID(int=0)), str(_HIGHEST)))


def _values(job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    return {**links.values(job, chunk), "tag": _tag(job, chunk)}


def _tag(job: JobRecord, chunk: Chunk) -> UUID:
    (target,) = job.targets_of(chunk)
    return UUID(target["id"])
