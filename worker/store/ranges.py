"""The links that ``"*"`` selects: cut into ranges of the key, where no id travels.

A range is one tag, one type and the lowest and highest of so many resources. Whoever applies it
removes what of it was there when the job was accepted; links that came to be later stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, func, select

from tagsweep.worker import database
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import tag_link
from tagsweep.worker.models.types import Id, clock
from tagsweep.worker.store import links

# Steps from the first link of a range to that of the next: the index alone is read. The time at
# which a link came to be is in the table, where its neighbours are not: to look at it takes longer
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
        ORDER BY resource_id LIMIT 1 OFFSET :most
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
_DELETE = _RANGE.format(verb="DELETE", end="RETURNING tag_id, resource_id")
_RECORDED = links.recorded(_DELETE, one_tag=True)
_DELETE_SQLITE = links.statement(_DELETE)
_COUNT = links.statement(_RANGE.format(verb="SELECT count(*)", end=""))
_LIST = links.statement(_RANGE.format(verb="SELECT resource_id", end="ORDER BY resource_id"))


def cut(connection: Connection, job: JobRecord, most: int) -> Iterator[Chunk]:
    """Yield ranges of up to ``most`` links that the job selects, all of them, unnumbered.

    Links that came to be between its acceptance and now are counted too, till their range is done
    (``later``).
    """
    for target, one in enumerate(job.targets):
        for resource_type in job.selected:
            values = {"tag": UUID(one["id"]), "resource_type": resource_type, "most": most}
            firsts = list(connection.execute(_STEP, values).scalars())
            for first, following in zip_longest(firsts, firsts[1:]):
                last = UUID(int=following.int - 1) if following else _HIGHEST
                items = most if following else _count_from(connection, values, first)
                span = (str(first), str(last))
                yield Chunk(0, resource_type, items, targets=[target], span=span)


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
    """Return how many links of a range came to be after the job was accepted, before it was cut."""
    (target,) = job.targets_of(chunk)
    low, high = (UUID(one) for one in chunk.span or ())
    own = and_(
        tag_link.c.tag_id == UUID(target["id"]),
        tag_link.c.resource_type == chunk.resource_type,
        tag_link.c.resource_id.between(low, high),
        tag_link.c.created_at > job.accepted_at,
        tag_link.c.created_at <= (job.started_at or clock()),
    )
    query = select(func.count()).select_from(tag_link).where(own)
    return int(connection.execute(query).scalar_one())


def remove(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Remove the links of a range and record which they were; return how many."""
    values = _values(job, chunk)
    if connection.dialect.name == "sqlite":
        gone = [row.resource_id for row in connection.execute(_DELETE_SQLITE, values)]
        return links.record(connection, job, chunk, values["tag"], gone)
    return sum(connection.execute(_RECORDED, values).scalars())


def listed(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Return what of a range is there to be removed, as a chunk that names it."""
    found = connection.execute(_LIST.columns(resource_id=Id()), _values(job, chunk)).scalars()
    ids = b"".join(one.bytes for one in found)
    return [chunk.listing(ids=ids)] if ids else []


def remaining(connection: Connection, job: JobRecord) -> int:
    """Return how many links carry the job's tags in what it selects, whenever they came to be."""
    query = select(func.count()).select_from(tag_link)
    own = tag_link.c.tag_id.in_([UUID(one["id"]) for one in job.targets])
    selected = tag_link.c.resource_type.in_(job.selected)
    with database.pages_changed(connection):
        return int(connection.execute(query.where(own, selected)).scalar_one())


def _values(job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    (target,) = job.targets_of(chunk)
    return {**links.values(job, chunk), "tag": UUID(target["id"])}
