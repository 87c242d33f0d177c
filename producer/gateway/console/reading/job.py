"""A job as its page shows it: each function is one transaction, run in a thread."""

from __future__ import annotations

from typing import Any

from tagsweep.producer.gateway.console.presentation import drawing
from tagsweep.producer.gateway.console.reading import runs
from tagsweep.producer.gateway.console.reading.lists import shown
from tagsweep.worker import database
from tagsweep.worker.jobs.inspection import whole

Values = dict[str, Any]


def page(job_id: str, tenant: str | None, stretch: tuple[int, int] | None) -> Values:
    """Return what the page of a job shows, of some of its chunks or of all.

    Raises NoSuchJob, also if it is another tenant's (None: anybody's may be read).
    """
    with database.snapshot() as connection:  # or a chunk may be newer than its job
        job = whole.find(connection, job_id, tenant)
        found = whole.read(connection, job, stretch, drawing.MOST_CELLS)
        run = runs.of(connection, job)
    first, last = stretch or (0, found.chunks - 1)
    return {
        "job": shown(job, found.event),
        "event": found.event,
        "map": drawing.Map(found.cells, first, min(last, found.chunks - 1)),
        "chunks": found.chunks,
        "items": found.items,
        "failures": found.failures,
        "history": found.history,
        "lists": found.lists,
        "segments": drawing.segments(shown(job)["counts"]),
        "can": whole.possible(job),
        "run": run,
        "is_kept": job.forgotten_at is None,
    }


def summary(job_id: str, tenant: str | None) -> tuple[Values, dict[str, bool]]:
    """Return a job as JSON, and what can be done with it; raises NoSuchJob likewise."""
    with database.reading() as connection:
        job = whole.find(connection, job_id, tenant)
    return shown(job), whole.possible(job)
