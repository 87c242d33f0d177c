"""The task ``tags.start``: split a recorded job, and apply it if it has only one chunk.

What the store refuses of that is put off and tried again: the job stays recorded.
"""

from __future__ import annotations

from uuid import UUID

from tagsweep.worker import database, settings
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.chunks import applying, express, guard, poison, rate_limit, splitting
from tagsweep.worker.database import Connection
from tagsweep.worker.errors import StoreRefused
from tagsweep.worker.jobs import backoff, dispatch, lifecycle, queries
from tagsweep.worker.models.records import JobRecord, Lists

POISON = "Workers crashed {tries} times while starting this job; it was failed."


@task("tags.start")
def start_job(delivery: Delivery) -> None:
    """Split a job that is recorded in the store; otherwise recovery does it a little later.

    An express worker does so if the job is a small one.
    """
    job_id = delivery.named_job
    if delivery.express and not _is_small(job_id):
        return sending.wake()
    return start_recorded(job_id)


def _is_small(job_id: UUID) -> bool:
    with database.reading() as connection:
        job = queries.find(connection, job_id)
        return job is None or job.status != "queued" or express.is_small_record(connection, job)


def start(
    connection: Connection, job: JobRecord, lists: Lists | None = None, *, at_once: bool = True
) -> JobRecord:
    """Split a job that the caller has locked; ``at_once``: apply it if it has only one chunk."""
    # a guard looks at what is stored
    at_once = (
        at_once
        and not guard.is_guarded(job)
        and not job.paused
        and not rate_limit.wait_s(connection)
    )
    size = settings.load().chunk_size
    job, only = splitting.split(connection, job, size, lists, at_once=at_once)
    job = guard.check(connection, job)
    if not job.ended and not job.dry_run:
        job = lifecycle.prepare(connection, job)
    if only is None:
        return job
    outcome = applying.apply(connection, job, only)
    ended = lifecycle.complete(connection, job, only, outcome)
    rate_limit.note(connection, only.items)
    return ended


def start_recorded(job_id: UUID) -> None:
    """Split a job that is recorded whole, unless that is done, or another worker is at it.

    It may have been withdrawn. What the store refuses is put off. Raises StoreBusy,
    StoreUnavailable, and StoreRefused if the store does not take the note of that either.
    """
    try:
        started = _start_recorded(job_id, at_once=True)
    except StoreRefused:
        try:
            started = _start_recorded(job_id, at_once=False)
        except StoreRefused as refused:
            return put_off(job_id, refused)
    if started is None:
        return None
    before, job = started
    if before.tries and not job.tries:
        backoff.got_on(before)
    return dispatch.after_commit(job)


def put_off(job_id: UUID, error: Exception) -> None:
    """Note why a recorded job could not be split; it is tried again later."""
    with database.transaction() as connection:
        backoff.start(connection, queries.lock(connection, job_id), error)


@poison.count_first
def _start_recorded(job_id: UUID, *, at_once: bool) -> tuple[JobRecord, JobRecord] | None:
    """Return the job as it was and as it is; None if it is locked, or not there."""
    with database.transaction() as connection:
        job = queries.lock_if_free(connection, job_id)
        if job is None:
            return None
        if job.status != "queued" or not job.complete:
            return job, job
        with poison.counted(connection, f"start {job_id}") as poisonous:
            if poisonous:
                reason = POISON.format(tries=poison.MOST_TRIES)
                return job, lifecycle.give_up(connection, job_id, reason)
            return job, start(connection, job, at_once=at_once)
