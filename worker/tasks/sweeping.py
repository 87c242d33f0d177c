"""Work through open chunks for a while, one transaction each: claim, apply, record, count down."""

from __future__ import annotations

import logging
import random
import time
from uuid import UUID

from tagsweep.worker import database, settings
from tagsweep.worker.broker import sending
from tagsweep.worker.chunks import attempts, bisection, poison, preview, rate_limit, timings
from tagsweep.worker.database import Connection, pruning
from tagsweep.worker.errors import (
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
    TagsweepError,
    words,
)
from tagsweep.worker.jobs import backoff, dispatch, lifecycle, scheduling
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.redaction import redacted

log = logging.getLogger(__name__)

DEADLY = "Whoever began this chunk died of it, {tries} times: it was given up."
FAULT = "An unexpected error stopped it ({error}), {tries} times; the worker's log has more."

#: a chunk that an error of our own has stopped so often is given up
MOST_FAULTS = 5
#: seconds before a chunk that met another transaction is tried again; doubled, with jitter
BUSY_S, MOST_BUSY_S = 0.01, 1.0


class ChunkBusy(StoreBusy):
    """Another transaction was in the way of a chunk."""

    def __init__(self, job_id: UUID, number: int) -> None:
        self.job_id, self.number = job_id, number
        super().__init__()


def sweep() -> None:
    """Apply chunks for a time slice, then go on in a new message, so that others get their turn."""
    until = time.monotonic() + settings.load().slice_ms / 1000
    pause, busy = BUSY_S, None
    while time.monotonic() < until:
        try:
            if not _may_begin(until):
                break
            job = apply_next()
        except StoreBusy as error:
            busy = error
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # so that two do not meet again
            pause = min(pause * 2, MOST_BUSY_S)
            continue
        if job is None:
            timings.hand_in()
            return
        pause, busy = BUSY_S, None
        if job.ended:
            dispatch.after_commit(job)
    if isinstance(busy, ChunkBusy):  # the next sweep would meet it again, and none of the others
        backoff.chunk(busy.job_id, busy.number, busy)
    _go_on()


@poison.patiently
def apply_next() -> JobRecord | None:
    """Apply the chunk whose turn it is; return its job as it is then, None where none is open.

    Killed at any moment, the chunk is open again at once: nothing outlives its one transaction.
    What the store refuses is put off. Raises StoreBusy and StoreUnavailable, and StoreRefused where
    the store takes no note of that either; nothing was changed then.
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
    """Do what is to be done with a chunk that was not applied; return its job."""
    if isinstance(error, StoreBusy):
        raise ChunkBusy(job.id, chunk.number) from error
    if not isinstance(error, StoreRefused):
        return _faulty(job, chunk, error)
    if error.code != backoff.CANCELLED:  # that may have taken long
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
    """Apply a chunk that the store refused, but for the items that it refuses.

    A transaction of its own, with savepoints, so that all the others do without them. ``failure``:
    why all its items are to fail instead.
    """
    with database.transaction() as connection:
        claimed = scheduling.claim_again(connection, job_id, number)
        if claimed is None:
            return None
        return _close(connection, *claimed, carefully=True, failure=failure)


def _faulty(job: JobRecord, chunk: Chunk, error: Exception) -> JobRecord:
    """Count an error of our own; a chunk that it stops time and again is given up."""
    log.error("A chunk of job %s was stopped.", job.id, exc_info=error)
    step = f"fault chunk {job.id} {chunk.number}"
    if attempts.count(step) < MOST_FAULTS:
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
    carefully: bool = False,
    failure: str | None = None,
) -> JobRecord:
    if job.cancelling:
        return lifecycle.drop(connection, job, chunk)
    database.plan_for_many(connection)
    if job.open > 1:  # one that may be the last is to be saved
        database.commit_later(connection)
        pruning.keep(connection)
    with poison.counted(connection, f"chunk {job.id} {chunk.number}") as deadly:
        if deadly:
            failure = DEADLY.format(tries=poison.MOST_TRIES)
        outcome = _outcome(connection, job, chunk, carefully=carefully, failure=failure)
        closed = lifecycle.close(connection, job, chunk, outcome, apart=carefully)
    if closed.ended:
        database.commit_now(connection)
    rate_limit.note(connection, chunk.items)
    return closed


def _outcome(
    connection: Connection, job: JobRecord, chunk: Chunk, *, carefully: bool, failure: str | None
) -> Outcome:
    if failure:
        return bisection.failed(connection, job, chunk, "gave_up", failure)
    step: preview.Step | None = bisection.apply if carefully else None
    if step is None and chunk.pieces > 1:
        step = bisection.in_pieces
    with timings.timed(job.kind):
        return preview.apply(connection, job, chunk, step)


def _may_begin(until: float) -> bool:
    """Wait for the ceiling to let a chunk begin; False where that is beyond the time slice."""
    if settings.load().max_rate is None:
        return True
    with database.reading() as connection:
        wait = rate_limit.wait_s(connection)
    time.sleep(min(wait, max(0.0, until - time.monotonic())))
    return wait == 0 or time.monotonic() < until


def _go_on() -> None:
    timings.hand_in()
    with database.reading() as connection:
        more = scheduling.any_open(connection)
    if more:
        # a second one where none is waiting: so their number grows till every worker is busy
        sending.wake(1 if sending.sweeps_waiting() else 2)
