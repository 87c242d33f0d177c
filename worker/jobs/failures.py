"""The items of a job that failed for good: stored, reported in the event, reopened by a retry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, delete, func, insert, select

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models.events import MOST_ERRORS
from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.records import Chunk, Failure, JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import failure

#: most failures from which a chunk is opened for a retry
MOST_IN_CHUNK = 1_000

#: the original chunk, the number of the resource type, and the targets; None: all
_Alike = tuple[int, int, tuple[int | None, ...]]


def add(
    connection: Connection, job: JobRecord, chunk: Chunk, failed: list[Failure]
) -> dict[str, Any]:
    """Store what failed in a chunk; return the columns to write to the job's row."""
    own = {"job_id": job.id, "chunk": chunk.number, "resource_type": chunk.resource_type}
    rows = [
        {**own, "place": one.place, "target": one.target, "code": one.code, "reason": one.reason}
        for one in failed
    ]
    connection.execute(insert(failure), rows)
    return noted(job, [_item_error(one, job, chunk) for one in failed])


def noted(job: JobRecord, errors: list[ItemError]) -> dict[str, Any]:
    """Return the job's error columns with ``errors`` added: the first errors, and their number."""
    first = [*job.errors, *errors][:MOST_ERRORS]
    return {"errors": first, "errors_total": job.errors_total + len(errors)}


def reopen(connection: Connection, job: JobRecord) -> int:
    """Open chunks of exactly the items that failed, and delete the failures.

    Return how many chunks. The caller has locked the job's row.
    """
    highest = select(func.coalesce(func.max(chunks.c.number), -1)).where(chunks.c.job_id == job.id)
    number = int(connection.execute(highest).scalar_one())
    rows = [
        {**chunk.row(job.id, "open"), "origin": origin}
        for origin, chunk in _chunks(connection, job, number + 1)
    ]
    if rows:
        connection.execute(insert(chunks), rows)
    connection.execute(delete(failure).where(failure.c.job_id == job.id))
    return len(rows)


def _chunks(connection: Connection, job: JobRecord, number: int) -> Iterator[tuple[int, Chunk]]:
    """Cut what failed by original chunk, and by the targets with which each place failed.

    All that failed at a place stays in one chunk: where several targets meet, the first one counts.
    Yield the number of the original chunk too: receipts list an item with it.
    """
    for (origin, kind, targets), places in _failed(connection, job).items():
        about = None if None in targets else [target for target in targets if target is not None]
        width = len(about or job.targets)
        values = _values(connection, job, origin)
        step = max(1, MOST_IN_CHUNK // len(targets))
        for start in range(0, len(places), step):
            some = sorted(places[start : start + step])
            ids = b"".join(UUID(place).bytes for place in some) if kind else b""
            names = [] if kind else some
            own = [values[place] for place in some] if values else []
            yield origin, Chunk(number, kind, len(some) * width, ids, names, about, values=own)
            number += 1


def _failed(connection: Connection, job: JobRecord) -> dict[_Alike, list[str]]:
    """Return the places that failed with the same targets, by original chunk."""
    tried = and_(chunks.c.job_id == failure.c.job_id, chunks.c.number == failure.c.chunk)
    first = func.coalesce(chunks.c.origin, chunks.c.number)
    query = select(first, failure.c.resource_type, failure.c.place, failure.c.target)
    query = query.join(chunks, tried).where(failure.c.job_id == job.id)
    found: dict[_Alike, list[str]] = defaultdict(list)
    rows = connection.execute(query.order_by(*query.selected_columns))
    for (origin, kind, place), same in groupby(rows, key=itemgetter(0, 1, 2)):
        found[origin, kind, tuple(row.target for row in same)].append(place)
    return found


def _values(connection: Connection, job: JobRecord, number: int) -> dict[str, str]:
    """Return what a chunk of an undo puts back at each of its places; empty for other kinds."""
    this = and_(chunks.c.job_id == job.id, chunks.c.number == number)
    query = select(chunks.c.names, chunks.c.ids, chunks.c.own_values)
    row = connection.execute(query.where(this)).one()
    places = row.names or unpack(row.ids or b"")
    return dict(zip(places, row.own_values, strict=True)) if row.own_values else {}


def _item_error(one: Failure, job: JobRecord, chunk: Chunk) -> ItemError:
    place: str | int = one.place
    path = "/workspaces"
    if number := chunk.resource_type:
        resources = job.resources
        place = resources.shown(number, UUID(one.place).bytes)
        path = (
            f"/resources/{name}"
            if (name := resources.name_of(number)) in job.head.get("resources", ())
            else f"/{name}"
        )
    return {"path": path, "code": one.code, "reason": f"{place}: {one.reason}"}
