"""The task ``tags.sweep``: split a recorded job, then apply open chunks for a time slice.

Each of them is a transaction of its own.
"""

from __future__ import annotations

import logging
import random
import time
from uuid import UUID

from tagsweep.worker import database, settings
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.chunks import applying, poison, rate_limit, timings
from tagsweep.worker.database import Connection, pruning
from tagsweep.worker.errors import (
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
    TagsweepError,
    words,
)
from tagsweep.worker.jobs import backoff, dispatch, lifecycle, scheduling
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.redaction import redacted
from tagsweep.worker.tasks import recorded

log = logging.getLogger(__name__)

POISON = "Workers crashed {tries} times while applying this chunk; its items were failed."
FAULT = "An unexpected error stopped it {tries} times ({error}); see the worker's log."

#: a chunk that an error of our own has stopped so often is given up
MOST_FAULTS = 5
#: seconds before a chunk that another transaction blocked is tried again; doubled, with jitter
BUSY_S, MOST_BUSY_S = 0.01, 1.0


class ChunkBusy(StoreBusy):
    """Another transaction blocks a chunk."""

    def __init__(self, job_id: UUID, number: int) -> None:
        self.job_id, self.number = job_id, number
        super().__init__()


# a lost sweep is replaced by any other; one that is redelivered would be one too many
@task("tags.sweep", again=False)
def sweep(_: Delivery) -> None:
    """Split a recorded job, if one waits, and apply open chunks for a time slice."""
    run()


def run() -> None:
    """Do so, then continue in a new message, so that others get a turn.

    Splitting does not count against the slice: or chunks would wait until all jobs are split.
    """
    has_split = recorded.split_next()
    until = time.monotonic() + settings.load().slice_ms / 1000
    pause, busy = BUSY_S, None
    while time.monotonic() < until:
        try:
            if not _may_start(until):
                break
            job = apply_next()
        except StoreBusy as error:
            busy = error
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # so that two do not meet again
            pause = min(pause * 2, MOST_BUSY_S)
            continue
        if job is None and not has_split:
            timings.hand_in()
            return
        if job is None:
            break
        pause, busy = BUSY_S, None
        if job.ended:
            dispatch.after_commit(job)
    if isinstance(busy, ChunkBusy):  # the next sweep would claim it again, and no other chunk
        backoff.chunk(busy.job_id, busy.number, busy)
    _continue()


@poison.count_first
def apply_next() -> JobRecord | None:
    """Apply the next chunk; return its job as it is afterwards, None if no chunk is open.

    If the worker is killed, the chunk is open again at once: nothing outlives its one transaction.
    What the store refuses is put off. Raises StoreBusy and StoreUnavailable, and StoreRefused if
    the store does not take the note of that either; nothing was changed then.
    """
    claimed = None
    try:
        with database.transaction() as connection:
            claimed = scheduling.claim(connection)
            closed = _close(connection, *claimed) if claimed else None
    except (poison.Uncounted, StoreUnavailable):
        raise
    except Exception as error:
        if claimed is None:
            raise
        return _stopped(*claimed, error)
    if claimed and claimed[1].tries:
        backoff.got_on(claimed[0])
    return closed


def _stopped(job: JobRecord, chunk: Chunk, error: Exception) -> JobRecord:
    """Handle the error that kept a chunk from being applied; return its job."""
    if isinstance(error, StoreBusy):
        raise ChunkBusy(job.id, chunk.number) from error
    if not isinstance(error, StoreRefused):
        return _faulty(job, chunk, error)
    if error.code != backoff.CANCELLED:  # by halves it might take as long again
        try:
            return apply_carefully(job.id, chunk.number) or job
        except StoreRefused as refused:
            error = refused
        except (poison.Uncounted, TagsweepError):
            raise
        except Exception as fault:  # noqa: BLE001  # it is counted
            return _faulty(job, chunk, fault)
    backoff.chunk(job.id, chunk.number, error)
    return job


def apply_carefully(job_id: UUID, number: int, failure: str | None = None) -> JobRecord | None:
    """Apply a chunk that the store refused, except for the items that it refuses.

    In a transaction of its own, with savepoints, which the others need not pay for. ``failure``:
    why all its items are to fail instead. Return None if the chunk is closed, or locked, by now.
    """
    with database.transaction() as connection:
        claimed = scheduling.claim_again(connection, job_id, number)
        if claimed is None:
            return None
        return _close(connection, *claimed, careful=True, failure=failure)


def _faulty(job: JobRecord, chunk: Chunk, error: Exception) -> JobRecord:
    """Count an error of our own; a chunk that it keeps stopping is given up."""
    log.error("A chunk of job %s was stopped.", job.id, exc_info=error)
    step = f"fault chunk {job.id} {chunk.number}"
    if poison.count(step) < MOST_FAULTS:
        backoff.chunk(job.id, chunk.number, error)
        return job
    reason = redacted(FAULT.format(error=words(error), tries=MOST_FAULTS))
    try:
        return apply_carefully(job.id, chunk.number, reason) or job
    except StoreRefused as refused:
        backoff.chunk(job.id, chunk.number, refused)
        return job


def _close(
    connection: Connection,
    job: JobRecord,
    chunk: Chunk,
    *,
    careful: bool = False,
    failure: str | None = None,
) -> JobRecord:
    """Apply a claimed chunk, or fail all its items, and close it; return its job."""
    if job.cancelling:
        return lifecycle.drop(connection, job, chunk)
    if job.open > 1:  # the job's last chunk must be on disk when its end is published
        database.commit_later(connection)
        pruning.keep(connection)
    with poison.counted(connection, f"chunk {job.id} {chunk.number}") as poisonous:
        if poisonous:
            failure = POISON.format(tries=poison.MOST_TRIES)
        if failure:
            outcome = applying.fail(connection, job, chunk, failure)
        else:
            outcome = applying.apply(connection, job, chunk, careful=careful)
        closed = lifecycle.close(connection, job, chunk, outcome, apart=careful)
    if closed.ended:
        database.commit_now(connection)
    rate_limit.note(connection, chunk.items)
    return closed


def _may_start(until: float) -> bool:
    """Wait until the rate limit lets a chunk start; False if that is beyond the time slice."""
    if settings.load().max_rate is None:
        return True
    with database.reading() as connection:
        wait = rate_limit.wait_s(connection)
    time.sleep(min(wait, max(0.0, until - time.monotonic())))
    return wait == 0 or time.monotonic() < until


def _continue() -> None:
    timings.hand_in()
    with database.reading() as connection:
        more = scheduling.any_open(connection) or scheduling.any_to_split(connection)
    if more:
        # a second one if none is waiting: so their number grows until every worker is busy
        sending.wake(1 if sending.sweeps_waiting() else 2)
