"""A job's chunks as a bounded number of cells, each a run of chunks, and the items of one chunk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from tagsweep.worker.jobs import receipt
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import failure

#: the states of a chunk, the most telling first
STATES = ("failed", "waiting", "open", "dropped", "done")


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of chunks, and how many of them are in which state."""

    first: int
    last: int
    items: int
    states: dict[str, int]

    @property
    def state(self) -> str:
        """The most telling state of its chunks."""
        return next((state for state in STATES if self.states[state]), "done")


def count(connection: Connection, job: JobRecord) -> int:
    """Return how many chunks the job was split into, those of its retries included."""
    highest = select(func.max(chunks.c.number)).where(chunks.c.job_id == job.id)
    number: int | None = connection.execute(highest).scalar()
    return 0 if number is None else number + 1


def cells(connection: Connection, job: JobRecord, first: int, last: int, most: int) -> list[Cell]:
    """Return the chunks from ``first`` to ``last`` as at most ``most`` cells, of equal runs."""
    width = max(1, math.ceil((last - first + 1) / most))
    cell = _cell(chunks.c.number, first, width)
    these = and_(chunks.c.job_id == job.id, chunks.c.number.between(first, last))
    is_open = chunks.c.state == "open"
    put_off = and_(is_open, chunks.c.retry_at.is_not(None))
    numbers = {"done": chunks.c.state == "done", "dropped": chunks.c.state == "dropped"}
    numbers |= {"waiting": put_off, "open": and_(is_open, chunks.c.retry_at.is_(None))}
    columns = [_number(name, condition) for name, condition in numbers.items()]
    query = select(cell.label("cell"), func.sum(chunks.c["items"]).label("items"), *columns)
    query = query.where(these).group_by("cell").order_by("cell")
    failed = _failed(connection, job, first, last, width)
    return [
        _of(row._mapping, first + row.cell * width, width, last, failed)  # noqa: SLF001  # its public name
        for row in connection.execute(query)
    ]


def items(connection: Connection, job: JobRecord, number: int, most: int) -> list[dict[str, Any]]:
    """Return the first items of a chunk, as its receipt has them."""
    slip = receipt.slip_after(connection, job, number - 1)
    if slip is None or slip.chunk.number != number:
        return []
    entries: Iterator[dict[str, Any]] = receipt.entries_of(job, slip)
    return list(islice(entries, most))


def _of(row: Any, start: int, width: int, last: int, failed: dict[int, int]) -> Cell:
    bad = failed.get(row["cell"], 0)
    states = {name: int(row[name] or 0) for name in STATES if name != "failed"}
    states["done"] = max(0, states["done"] - bad)
    end = min(start + width - 1, last)
    return Cell(start, end, int(row["items"] or 0), {**states, "failed": bad})


def _failed(
    connection: Connection, job: JobRecord, first: int, last: int, width: int
) -> dict[int, int]:
    """Return by cell how many chunks have items that failed."""
    if not job.failed:
        return {}
    these = and_(failure.c.job_id == job.id, failure.c.chunk.between(first, last))
    numbers = select(failure.c.chunk).where(these).distinct().subquery()
    cell = _cell(numbers.c.chunk, first, width).label("cell")
    rows = connection.execute(select(cell, func.count()).group_by("cell"))
    return {int(number): int(how_many) for number, how_many in rows}


def _cell(number: ColumnElement[int], first: int, width: int) -> ColumnElement[Any]:
    return (number - first) // width


def _number(name: str, condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0)).label(name)
