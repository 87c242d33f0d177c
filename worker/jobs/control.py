"""What may be asked of a job that is recorded: retry it, pause it, let it go on, take it back."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, delete, select, update

from tagsweep.worker.broker import results
from tagsweep.worker.errors import BrokerUnavailable, NothingToRetry, NotRunning
from tagsweep.worker.jobs import backoff, failures, lifecycle
from tagsweep.worker.models.records import RETRYABLE, JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs


def retry(connection: Connection, job_id: UUID) -> JobRecord:
    """Let a job that ended run again on exactly its failed and unprocessed items.

    Its old answer is forgotten. After the commit ``broker.wake`` makes it begin at once; without,
    recovery does. Raises NoSuchJob; NothingToRetry where it is no job that ended ``partial``,
    ``failed`` or ``cancelled``, or where nothing is kept that could be done again.
    """
    job = lifecycle.get(connection, job_id)
    if job.status not in RETRYABLE:
        raise NothingToRetry(f"Job {job_id} is {job.status}: there is nothing to retry.")
    if job.forgotten_at:
        raise NothingToRetry(f"What job {job_id} did is kept no longer: send it anew.")
    again: dict[str, Any] = {"finished_at": None, "errors": []}
    again |= {"cancelling": False, "paused": False, **backoff.GOT_ON}
    if job.matched is None:
        if not (job.complete and job.parts):
            raise NothingToRetry(
                f"Job {job_id} ended before its lists were recorded: send it anew."
            )
        _forget_answer(job_id)
        return lifecycle.change(connection, job, status="queued", **again)
    failed = failures.reopen(connection, job)
    this = and_(chunks.c.job_id == job_id, chunks.c.state == "dropped")
    reopened = {"state": "open", **backoff.GOT_ON}
    dropped = update(chunks).where(this).values(reopened).returning(chunks.c.number)
    opened = failed + len(connection.execute(dropped).all())
    if not opened:
        raise NothingToRetry(f"Job {job_id} has no item left to retry.")
    _forget_answer(job_id)
    return lifecycle.change(
        connection, job, status="running", open=opened, failed=0, errors_total=0, **again
    )


def _forget_answer(job_id: UUID) -> None:
    """Forget it while the job is held: afterwards it could be that of the next end already."""
    with suppress(BrokerUnavailable):  # then the relay does it at the next end
        results.forget(job_id)


def pause(connection: Connection, job_id: UUID, *, paused: bool) -> JobRecord:
    """Let no further chunk of the job begin till it is resumed; raises NoSuchJob, NotRunning.

    A job that is put off and resumed is tried at once.
    """
    job = lifecycle.get(connection, job_id)
    if job.ended:
        raise NotRunning(f"Job {job_id} has ended: {job.status}.")
    if paused and job.cancelling:
        raise NotRunning(f"Job {job_id} is being cancelled: it comes to its end at once.")
    if paused:
        return lifecycle.change(connection, job, paused=True)
    _hasten(connection, job_id)
    return lifecycle.change(connection, job, paused=False, retry_at=None)


def _hasten(connection: Connection, job_id: UUID) -> None:
    """Let chunks that are put off be tried at once; those that a worker has in hand are."""
    put_off = and_(chunks.c.job_id == job_id, chunks.c.retry_at.is_not(None))
    free = select(chunks.c.number).where(put_off).with_for_update(skip_locked=True)
    these = and_(chunks.c.job_id == job_id, chunks.c.number.in_(free))
    connection.execute(update(chunks).where(these).values(retry_at=None))


def withdraw(connection: Connection, job_id: UUID, nonce: str) -> bool:
    """Take back a job that nobody has begun, as if it had never been recorded.

    Only by who recorded it with this ``nonce``, and only while nobody was promised that it will be
    done (``keep``). False: it has begun, or was promised, and goes on.
    """
    this = and_(jobs.c.id == job_id, jobs.c.nonce == nonce, jobs.c.status == "queued")
    return connection.execute(delete(jobs).where(this).returning(jobs.c.id)).first() is not None


def keep(connection: Connection, job_id: UUID) -> bool:
    """Let nobody take the job back: whoever is told that it will be done can rely on it.

    False where there is no such job, or no more.
    """
    kept = update(jobs).where(jobs.c.id == job_id).values(nonce=None).returning(jobs.c.id)
    return connection.execute(kept).first() is not None
