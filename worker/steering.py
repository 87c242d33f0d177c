"""What people may ask of a job that is recorded: retry it, pause it, let it go on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, update

from worker import failures, progress
from worker.errors import NothingToRetry, NotRunning
from worker.models.records import RETRYABLE, JobRecord
from worker.models.tables import chunk as chunks


def retry(connection: Connection, job_id: UUID) -> JobRecord:
    """Let a job that ended run again on exactly its failed and unprocessed items.

    Raises NoSuchJob; NothingToRetry where it is no job that ended ``partial``, ``failed`` or
    ``cancelled``, or where nothing is kept that could be done again.
    """
    job = progress.get(connection, job_id)
    if job.status not in RETRYABLE:
        raise NothingToRetry(f"Job {job_id} is {job.status}: there is nothing to retry.")
    again: dict[str, Any] = {"finished_at": None, "cancelling": False, "errors": []}
    if job.matched is None:
        if not (job.complete and job.parts):
            raise NothingToRetry(
                f"Job {job_id} ended before its lists were recorded: send it anew."
            )
        return progress.change(connection, job, status="queued", **again)
    failed = failures.reopen(connection, job)
    this = and_(chunks.c.job_id == job_id, chunks.c.state == "dropped")
    dropped = update(chunks).where(this).values(state="open").returning(chunks.c.number)
    opened = failed + len(connection.execute(dropped).all())
    if not opened:
        raise NothingToRetry(f"Job {job_id} has no item left to retry.")
    return progress.change(
        connection, job, status="running", open=opened, failed=0, errors_total=0, **again
    )


def pause(connection: Connection, job_id: UUID, *, paused: bool) -> JobRecord:
    """Let no further chunk of the job begin till it is resumed; raises NoSuchJob, NotRunning."""
    job = progress.get(connection, job_id)
    if job.ended:
        raise NotRunning(f"Job {job_id} has ended: {job.status}.")
    return progress.change(connection, job, paused=paused)
