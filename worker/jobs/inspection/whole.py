"""All that a page tells of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.errors import NoSuchJob
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import queries
from tagsweep.worker.jobs.inspection import chunk_map, failure_groups, history, lists
from tagsweep.worker.jobs.inspection.chunk_map import Cell
from tagsweep.worker.models.records import RETRYABLE, JobRecord

#: items of one chunk that are read
MOST_ITEMS = 200


@dataclass(frozen=True, slots=True)
class Inspected:
    """A job, the event of its latest end, and its parts."""

    job: JobRecord
    event: dict[str, Any] | None
    chunks: int
    cells: list[Cell]
    items: list[dict[str, Any]]  #: of one chunk, if only one is looked at
    failures: list[failure_groups.Group]
    history: list[history.Happening]
    lists: dict[str, list[Any]]  #: the entries of its lists, if they are few


def find(connection: Connection, job_id: str, tenant: str | None) -> JobRecord:
    """Return the tenant's job (None: anybody's); raises NoSuchJob."""
    try:
        found = queries.find(connection, UUID(job_id))
    except ValueError:
        found = None
    if found is None or (tenant is not None and found.tenant != tenant):
        raise NoSuchJob(f"There is no job {job_id[:36]}.")
    return found


def read(
    connection: Connection,
    job: JobRecord,
    stretch: tuple[int, int] | None,
    most_cells: int,
) -> Inspected:
    """Return a job with some of its chunks, or all, as at most ``most_cells``."""
    chunks = chunk_map.count(connection, job)
    first, last = stretch or (0, chunks - 1)
    cells = chunk_map.cells(connection, job, first, min(last, chunks - 1), most_cells)
    is_one = bool(cells) and first == last and job.forgotten_at is None
    return Inspected(
        job,
        outbox.latest(connection, job.id) if job.ended else None,
        chunks,
        cells,
        chunk_map.items(connection, job, first, MOST_ITEMS) if is_one else [],
        failure_groups.read(connection, job),
        history.read(connection, job),
        lists.read(connection, job),
    )


def possible(job: JobRecord) -> dict[str, bool]:
    """Return which actions make sense now."""
    goes_on = not job.ended and not job.cancelling
    is_kept = job.forgotten_at is None
    return {
        "cancel": goes_on,
        "pause": goes_on and not job.paused,
        "resume": goes_on and (job.paused or job.waiting is not None),
        "run": job.dry_run and job.status in ("succeeded", "partial") and is_kept,
        "retry": job.status in RETRYABLE and is_kept and bool(job.failed or job.unprocessed),
        "undo": job.ended and bool(job.changed) and not job.dry_run and is_kept,
    }
