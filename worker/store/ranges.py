"""The links that ``"*"`` selects, cut into ranges of the key, so that no ids are transferred.

A range is one tag, one type, and the lowest and highest of so many resources. Applying it removes
those of its links that existed when the job was accepted; links created later stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, and_, func, select
from sqlalchemy.sql.selectable import TextualSelect

from tagsweep.worker import database
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import Id, clock
from tagsweep.worker.store import layout, links
from tagsweep.worker.store.layout import Layout

# Steps from the first link of a range to that of the next: the index alone is read. The time at
# which a link was created is in the table, where its neighbours are not: to look at it takes longer
# than to remove them all.
_STEP = """
WITH RECURSIVE first (id) AS (
    SELECT * FROM (
        SELECT {at.returned_resource} FROM {at.links} WHERE {at.tag} = :tag AND {at.own}
        ORDER BY {at.resource} LIMIT 1
    ) AS lowest
    UNION ALL
    SELECT (
        SELECT {at.returned_resource} FROM {at.links}
        WHERE {at.tag} = :tag AND {at.own} AND {at.resource} >= first.id
        ORDER BY {at.resource} LIMIT 1 OFFSET :limit
    ) FROM first WHERE first.id IS NOT NULL
)
SELECT id FROM first WHERE id IS NOT NULL
"""
_HIGHEST = UUID(int=2**128 - 1)

_RANGE = """
{verb} FROM {at.links}
WHERE {at.tag} = :tag AND {at.own}
  AND {at.resource} BETWEEN :low AND :high AND {at.then}
{end}
"""


@cache
def _step(at: Layout) -> TextualSelect:
    return links.statement(at, _STEP).columns(id=Id())


@cache
def _delete(at: Layout) -> links.PerDialect:
    end = f"RETURNING {at.returned}"
    resources = f"RETURNING {at.returned_resource}"
    return links.PerDialect(
        links.recorded(at, _RANGE, one_tag=True, verb="DELETE", end=end),
        links.statement(at, _RANGE, verb="DELETE", end=resources),
    )


@cache
def _counting(at: Layout) -> TextClause:
    return links.statement(at, _RANGE, verb="SELECT count(*)", end="")


@cache
def _listing(at: Layout) -> TextualSelect:
    verb, end = f"SELECT {at.returned_resource}", f"ORDER BY {at.resource}"
    return links.statement(at, _RANGE, verb=verb, end=end).columns(resource_id=Id())


def cut(connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
    """Yield ranges of up to ``limit`` links that hold all that the job selects, unnumbered.

    Links created between its acceptance and now are counted too, until their range is applied
    (``later``).
    """
    for place, target in enumerate(job.targets):
        for resource_type in job.selected:
            at = layout.of(job, resource_type)
            values = {"tag": UUID(target["id"]), "resource_type": resource_type, "limit": limit}
            firsts = list(connection.execute(_step(at), values).scalars())
            for first, following in zip_longest(firsts, firsts[1:]):
                last = UUID(int=following.int - 1) if following else _HIGHEST
                items = limit if following else _count_from(connection, at, values, first)
                span = (str(first), str(last))
                yield Chunk(0, resource_type, items, targets=[place], span=span)


def _count_from(connection: Connection, at: Layout, values: dict[str, Any], first: UUID) -> int:
    columns = at.link_table.c
    own = and_(
        columns.tag_id == values["tag"],
        at.of_type(values["resource_type"]),
        columns.resource_id >= first,
    )
    query = select(func.count()).select_from(at.link_table).where(own)
    return int(connection.execute(query).scalar_one())


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range ``remove`` would remove."""
    counting = _counting(layout.of(job, chunk.resource_type))
    return int(connection.execute(counting, _values(job, chunk)).scalar_one())


def later(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range were created between the job's acceptance and the cut."""
    low, high = chunk.ends
    at = layout.of(job, chunk.resource_type)
    columns = at.link_table.c
    own = and_(
        columns.tag_id == _tag(job, chunk),
        at.of_type(chunk.resource_type),
        columns.resource_id.between(low, high),
        columns.created_at > job.accepted_at,
        columns.created_at <= (job.started_at or clock()),
    )
    query = select(func.count()).select_from(at.link_table).where(own)
    return int(connection.execute(query).scalar_one())


def remove(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Remove the links of a range and record which they were; return how many."""
    delete = _delete(layout.of(job, chunk.resource_type))
    return links.change(connection, job, chunk, [_tag(job, chunk)], delete)


def listed(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Return the links of a range that would be removed, as a chunk that lists them."""
    listing = _listing(layout.of(job, chunk.resource_type))
    ids = connection.execute(listing, _values(job, chunk)).scalars()
    packed = b"".join(each.bytes for each in ids)
    return [chunk.listing(ids=packed)] if packed else []


def matching(connection: Connection, job: JobRecord) -> int:
    """Return how many of the selected links carry the job's tags, whenever they were created."""
    at = layout.of(job)
    query = select(func.count()).select_from(at.link_table)
    own = at.link_table.c.tag_id.in_([UUID(target["id"]) for target in job.targets])
    selected = at.of_type(*job.selected)
    with database.pages_changed(connection):
        return int(connection.execute(query.where(own, selected)).scalar_one())


def _values(job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    return {**links.values(job, chunk), "tag": _tag(job, chunk)}


def _tag(job: JobRecord, chunk: Chunk) -> UUID:
    (target,) = job.targets_of(chunk)
    return UUID(target["id"])
