"""What the store shows to commands: jobs, their receipts, their completion events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from tagsweep.producer.cli.backends import transactions
from tagsweep.producer.cli.backends.backend import JobQuery, Shown
from tagsweep.worker import database
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import queries, receipt
from tagsweep.worker.jobs.queries import JobFilter
from tagsweep.worker.models import formats, views


def shown(job_id: UUID) -> Shown:
    """Return the job as its row has it; raises NoSuchJob."""
    job = transactions.record_of(job_id)
    with database.reading() as connection:
        return views.of(job, outbox.latest(connection, job_id) if job.ended else None)


def completion(job_id: UUID) -> dict[str, Any] | None:
    """Return the data of the event of the job's latest end; None if there is no event."""
    with database.reading() as connection:
        event = outbox.latest(connection, job_id)
    return None if event is None else event["data"]


def latest(query: JobQuery, limit: int, *, whole: bool) -> list[Shown]:
    """Return up to ``limit`` jobs, the newest first."""
    with database.reading() as connection:
        jobs = queries.page(connection, JobFilter(**asdict(query)), None, limit)
        events = {job.id: outbox.latest(connection, job.id) for job in jobs if whole}
    return [views.of(job, events.get(job.id)) for job in jobs]


def receipt_of(job_id: UUID, outcomes: Sequence[str], form: str) -> Iterator[str]:
    """Yield the receipt of the job, read chunk by chunk; raises NoSuchJob, Forgotten."""
    transactions.record_of(job_id)
    columns = receipt.columns(job_id, None)
    yield from formats.FORMS[form](columns, receipt.entries(job_id, None, outcomes))
