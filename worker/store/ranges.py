"""The links that ``"*"`` selects: cut into ranges of the key, where no id travels.

A range is one tag, one type and the lowest and highest of so many resources. Whoever applies it
removes what of it was there when the job was accepted; links that came to be later stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Row, func, select

from worker.models.records import Chunk, JobRecord
from worker.models.tables import tag_link
from worker.models.types import Id
from worker.store import links

# one pass over one stretch of the key, which only the first and last link of each range leave
_CUT = links.statement("""
SELECT resource_id, place FROM (
    SELECT resource_id, row_number() OVER in_order AS place,
           lead(resource_id) OVER in_order AS following
    FROM tag_link
    WHERE tag_id = :tag AND resource_type = :resource_type AND created_at <= :accepted_at
    WINDOW in_order AS (ORDER BY resource_id)
) AS placed
WHERE (place - 1) % :most = 0 OR place % :most = 0 OR following IS NULL
ORDER BY place
""").columns(resource_id=Id(), place=BigInteger())

_RANGE = """
{verb} FROM tag_link
WHERE tag_id = :tag AND resource_type = :resource_type
  AND resource_id BETWEEN :low AND :high AND created_at <= :accepted_at
{end}
"""
_DELETE = _RANGE.format(verb="DELETE", end="RETURNING tag_id, resource_id")
_RECORDED = links.recorded(_DELETE)
_DELETE_SQLITE = links.statement(_DELETE)
_LIST = links.statement(_RANGE.format(verb="SELECT resource_id", end="ORDER BY resource_id"))


def cut(connection: Connection, job: JobRecord, most: int) -> Iterator[Chunk]:
    """Yield ranges of up to ``most`` links that the job selects, all of them, unnumbered."""
    for target, one in enumerate(job.targets):
        for resource_type in job.selected:
            values = {
                "tag": UUID(one["id"]),
                "resource_type": resource_type,
                "accepted_at": job.accepted_at,
                "most": most,
            }
            rows = connection.execute(_CUT, values).all()
            yield from _paired(rows, most, resource_type, target)


def _paired(
    rows: Sequence[Row[Any]], most: int, resource_type: int, target: int
) -> Iterator[Chunk]:
    at = 0
    while at < len(rows):
        first = rows[at]
        alone = at + 1 == len(rows) or (rows[at + 1].place - 1) // most != (first.place - 1) // most
        last = first if alone else rows[at + 1]
        span = (str(first.resource_id), str(last.resource_id))
        items = last.place - first.place + 1
        yield Chunk(0, resource_type, items, targets=[target], span=span)
        at += 1 if alone else 2


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
    return int(connection.execute(query.where(own, selected)).scalar_one())


def _values(job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    (target,) = job.targets_of(chunk)
    return {**links.values(job, chunk), "tag": UUID(target["id"])}
