"""The links that ``"*"`` selects, cut into ranges of the key, so that no ids are transferred.

A range is one tag, one type, and the lowest and highest of so many resources. Applying it removes
those of its links that existed when the job was accepted; links created later stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, func, select

from tagsweep.worker import database
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import Id, clock, tag_link
from tagsweep.worker.store import links

# Steps from the first link of a range to that of the next: the index alone is read. The time at
# which a link was created is in the table, where its neighbours are not: to look at it takes longer
# than to remove them all.
_STEP = links.statement("""
WITH RECURSIVE first (id) AS (
    SELECT * FROM (
        SELECT resource_id FROM @tag_link WHERE tag_id = :tag AND resource_type = :resource_type
        ORDER BY resource_id LIMIT 1
    ) AS lowest
    UNION ALL
    SELECT (
        SELECT resource_id FROM @tag_link
        WHERE tag_id = :tag AND resource_type = :resource_type AND resource_id >= first.id
        ORDER BY resource_id LIMIT 1 OFFSET :limit
    ) FROM first WHERE first.id IS NOT NULL
)
SELECT id FROM first WHERE id IS NOT NULL
""").columns(id=Id())
_HIGHEST = UUID(int=2**128 - 1)

_RANGE = """
{verb} FROM @tag_link
WHERE tag_id = :tag AND resource_type = :resource_type
  AND resource_id BETWEEN :low AND :high AND created_at <= :accepted_at
{end}
"""
_DELETE = links.PerDialect(
    links.recorded(_RANGE.format(verb="DELETE", end="RETURNING tag_id, resource_id"), one_tag=True),
    links.statement(_RANGE.format(verb="DELETE", end="RETURNING resource_id")),
)
_COUNT = links.statement(_RANGE.format(verb="SELECT count(*)", end=""))
_LIST = links.statement(_RANGE.format(verb="SELECT resource_id", end="ORDER BY resource_id"))


def cut(connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
    """Yield ranges of up to ``limit`` links that hold all that the job selects, unnumbered.

    Links created between its acceptance and now are counted too, until their range is applied
    (``later``).
    """
    for place, target in enumerate(job.targets):
        for resource_type in job.selected:
            values = {"tag": UUID(target["id"]), "resource_type": resource_type, "limit": limit}
            firsts = list(connection.execute(_STEP, values).scalars())
            for first, following in zip_longest(firsts, firsts[1:]):
                last = UUID(int=following.int - 1) if following else _HIGHEST
                items = limit if following else _count_from(connection, values, first)
                span = (str(first), str(last))
                yield Chunk(0, resource_type, items, targets=[place], span=span)


def _count_from(connection: Connection, values: dict[str, Any], first: UUID) -> int:
    own = and_(
        tag_link.c.tag_id == values["tag"],
        tag_link.c.resource_type == values["resource_type"],
        tag_link.c.resource_id >= first,
    )
    query = select(func.count()).select_from(tag_link).where(own)
    return int(connection.execute(query).scalar_one())


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range ``remove`` would remove."""
    return int(connection.execute(_COUNT, _values(job, chunk)).scalar_one())


def later(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range were created between the job's acceptance and the cut."""
    low, high = chunk.ends
    own = and_(
        tag_link.c.tag_id == _tag(job, chunk),
        tag_link.c.resource_type == chunk.resource_type,
        tag_link.c.resource_id.between(low, high),
        tag_link.c.created_at > job.accepted_at,
        tag_link.c.created_at <= (job.started_at or clock()),
    )
    query = select(func.count()).select_from(tag_link).where(own)
    return int(connection.execute(query).scalar_one())


def remove(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Remove the links of a range and record which they were; return how many."""
    return links.change(connection, job, chunk, [_tag(job, chunk)], _DELETE)


def listed(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Return the links of a range that would be removed, as a chunk that lists them."""
    ids = connection.execute(_LIST.columns(resource_id=Id()), _values(job, chunk)).scalars()
    packed = b"".join(each.bytes for each in ids)
    return [chunk.listing(ids=packed)] if packed else []


def matching(connection: Connection, job: JobRecord) -> int:
    """Return how many of the selected links carry the job's tags, whenever they were created."""
    query = select(func.count()).select_from(tag_link)
    own = tag_link.c.tag_id.in_([UUID(target["id"]) for target in job.targets])
    selected = tag_link.c.resource_type.in_(job.selected)
    with database.pages_changed(connection):
        return int(connection.execute(query.where(own, selected)).scalar_one())


def _values(job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    return {**links.values(job, chunk), "tag": _tag(job, chunk)}


def _tag(job: JobRecord, chunk: Chunk) -> UUID:
    (target,) = job.targets_of(chunk)
    return UUID(target["id"])
