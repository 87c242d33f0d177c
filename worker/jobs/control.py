"""Cancel, retry, pause, resume and withdraw a recorded job.

Whoever does one of the first four, ``by``, stands in the audit trail once the caller commits.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, delete, select, update

from tagsweep.worker.audit import trail
from tagsweep.worker.broker import results
from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.errors import BrokerUnavailable, NothingToRetry, NotRunning
from tagsweep.worker.jobs import failures, lifecycle, queries
from tagsweep.worker.models.records import RETRYABLE, JobRecord
from tagsweep.worker.models.requester import CODE, Requester
from tagsweep.worker.models.tables import ago, attempt
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs


def cancel(connection: Connection, job_id: UUID, by: Requester = CODE) -> JobRecord:
    """Let no further chunk of the job start; those that workers hold are finished and count.

    A job that has ended stays as it is. Raises NoSuchJob.
    """
    job = queries.lock(connection, job_id)
    if job.ended:
        return job
    if not job.cancelling:
        trail.append_of_job(connection, "job.cancel", by, job)
    still_open = and_(chunks.c.job_id == job_id, chunks.c.state == "open")
    free = select(chunks.c.number).where(still_open).with_for_update(skip_locked=True).cte("held")
    this = and_(chunks.c.job_id == job_id, chunks.c.number.in_(select(free.c.number)))
    dropping = update(chunks).where(this).values(state="dropped").returning(chunks.c.number)
    dropped = len(connection.execute(dropping).all())
    # a chunk whose worker died would stay open in a job that is paused or put off
    values: dict[str, Any] = {"cancelling": True, "paused": False, "retry_at": None}
    cancelled = lifecycle.change(connection, job, by={"open": -dropped}, **values)
    if cancelled.open:
        return cancelled
    return lifecycle.end(connection, cancelled, "cancelled", apart=True)


def has_looked_for(connection: Connection, message: str, seconds: float) -> bool:
    """Return whether a cancellation found no job at least ``seconds`` ago, by the store's clock.

    ``message``: the cancellation's own id. The first look is noted, and commits with the caller.
    """
    look = f"look {message}"[:255]
    connection.execute(insert_missing(connection, attempt).values(task_id=look, attempts=1))
    is_old = select(attempt.c.seen_at <= ago(seconds)).where(attempt.c.task_id == look)
    return bool(connection.execute(is_old).scalar_one())


def retry(connection: Connection, job_id: UUID, by: Requester = CODE) -> JobRecord:
    """Reopen a job that has ended, for exactly its failed and unprocessed items.

    Its stored result is deleted. Raises NoSuchJob; NothingToRetry if it did not end ``partial``,
    ``failed`` or ``cancelled``, or if no record is left of what to do again.
    """
    job = queries.lock(connection, job_id)
    if job.status not in RETRYABLE:
        raise NothingToRetry(f"Job {job_id} is {job.status}: there is nothing to retry.")
    if job.forgotten_at:
        raise NothingToRetry(f"The record of job {job_id} has expired: send the job again.")
    again: dict[str, Any] = {"finished_at": None, "errors": []}
    again |= {"cancelling": False, "paused": False, **lifecycle.NOT_WAITING}
    if job.matched is None:
        if not (job.complete and job.parts) and "previewed" not in job.head:
            raise NothingToRetry(
                f"Job {job_id} ended before its lists were recorded: send it again."
            )
        trail.append_of_job(connection, "job.retry", by, job)
        _forget_answer(job_id)
        return lifecycle.change(connection, job, status="queued", **again)
    failed = failures.reopen(connection, job)
    this = and_(chunks.c.job_id == job_id, chunks.c.state == "dropped")
    reopened = {"state": "open", **lifecycle.NOT_WAITING}
    dropped = update(chunks).where(this).values(reopened).returning(chunks.c.number)
    opened = failed + len(connection.execute(dropped).all())
    if not opened:
        raise NothingToRetry(f"Job {job_id} has no item left to retry.")
    trail.append_of_job(connection, "job.retry", by, job)
    _forget_answer(job_id)
    return lifecycle.change(
        connection, job, status="running", open=opened, failed=0, errors_total=0, **again
    )


def _forget_answer(job_id: UUID) -> None:
    """Delete it while the job is locked: later it might be the result of the next end."""
    with suppress(BrokerUnavailable):  # the relay deletes it at the next end
        results.forget(job_id)


def pause(connection: Connection, job_id: UUID, by: Requester = CODE) -> JobRecord:
    """Let no further chunk of the job start until it is resumed; raises NoSuchJob, NotRunning."""
    job = _running(connection, job_id)
    if job.cancelling:
        raise NotRunning(f"Job {job_id} is being cancelled and is about to end.")
    if not job.paused:
        trail.append_of_job(connection, "job.pause", by, job)
    return lifecycle.change(connection, job, paused=True)


def resume(connection: Connection, job_id: UUID, by: Requester = CODE) -> JobRecord:
    """Let a paused job continue, and try at once one that is put off.

    Raises NoSuchJob, NotRunning.
    """
    job = _running(connection, job_id)
    hastened = _hasten(connection, job_id)
    if job.paused or job.waiting or hastened:
        trail.append_of_job(connection, "job.resume", by, job)
    return lifecycle.change(connection, job, paused=False, retry_at=None)


def _running(connection: Connection, job_id: UUID) -> JobRecord:
    job = queries.lock(connection, job_id)
    if job.ended:
        raise NotRunning(f"Job {job_id} has ended: {job.status}.")
    return job


def _hasten(connection: Connection, job_id: UUID) -> bool:
    """Let chunks that are put off be tried at once; return whether there are any.

    One that a worker holds is being tried.
    """
    put_off = and_(chunks.c.job_id == job_id, chunks.c.retry_at.is_not(None))
    free = select(chunks.c.number).where(put_off).with_for_update(skip_locked=True)
    these = and_(chunks.c.job_id == job_id, chunks.c.number.in_(free))
    tried = update(chunks).where(these).values(retry_at=None).returning(chunks.c.number)
    return bool(connection.execute(tried).all())


def withdraw(connection: Connection, job_id: UUID, nonce: str) -> bool:
    """Delete a job that no worker has started, as if it had never been recorded.

    Only whoever recorded it knows its ``nonce``, and a job that was promised to anyone
    (``promise``) has none. Return False if it has started, or was promised: it continues.
    """
    this = and_(jobs.c.id == job_id, jobs.c.nonce == nonce, jobs.c.status == "queued")
    return connection.execute(delete(jobs).where(this).returning(jobs.c.id)).first() is not None


def promise(connection: Connection, job_id: UUID) -> bool:
    """Make it impossible to withdraw the job; return False if it does not exist (any more)."""
    kept = update(jobs).where(jobs.c.id == job_id).values(nonce=None).returning(jobs.c.id)
    return connection.execute(kept).first() is not None
