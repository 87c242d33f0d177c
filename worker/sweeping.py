"""Work through open chunks for a while, one transaction each: claim, apply, record, count down."""

from __future__ import annotations

import random
import time
from uuid import UUID

from sqlalchemy import Connection

from worker import (
    bisection,
    caution,
    database,
    horizon,
    meters,
    preview,
    progress,
    relay,
    settings,
    throttle,
    turns,
)
from worker.errors import StoreBusy, StoreRefused
from worker.messaging import broker
from worker.models.records import Chunk, JobRecord

DEADLY = "Whoever began this chunk died of it, {tries} times: it was given up."

#: seconds before a chunk that met another transaction is tried again; doubled, with jitter
BUSY_S, MOST_BUSY_S = 0.01, 1.0


def sweep() -> None:
    """Apply chunks for a time slice, then go on in a new message, so that others get their turn."""
    until = time.monotonic() + settings.load().slice_ms / 1000
    pause = BUSY_S
    while time.monotonic() < until:
        try:
            if not _may_begin(until):
                break
            job = apply_next()
        except StoreBusy:
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # so that two do not meet again
            pause = min(pause * 2, MOST_BUSY_S)
            continue
        if job is None:
            meters.hand_in()
            return
        pause = BUSY_S
        if job.ended:
            relay.tell(job.id)
    _go_on()


@caution.patiently
def apply_next() -> JobRecord | None:
    """Apply the chunk whose turn it is; return its job as it is then, None where none is open.

    Killed at any moment, the chunk is open again at once: nothing outlives its one transaction.
    Raises StoreBusy and StoreUnavailable; nothing was changed then.
    """
    claimed = None
    try:
        with database.transaction() as connection:
            claimed = turns.claim(connection)
            return _close(connection, *claimed) if claimed else None
    except StoreRefused:
        if claimed is None:
            raise
        job, chunk = claimed
        return apply_carefully(job.id, chunk.number) or job


def apply_carefully(job_id: UUID, number: int) -> JobRecord | None:
    """Apply a chunk that the store refused, but for the items that it refuses.

    A transaction of its own, with savepoints, so that all the others do without them.
    """
    with database.transaction() as connection:
        claimed = turns.claim_again(connection, job_id, number)
        if claimed is None:
            return None
        return _close(connection, *claimed, carefully=True)


def _close(
    connection: Connection, job: JobRecord, chunk: Chunk, *, carefully: bool = False
) -> JobRecord:
    if job.cancelling:
        return progress.drop(connection, job, chunk)
    database.plan_for_many(connection)
    if job.open > 1:  # one that may be the last is to be saved
        database.commit_later(connection)
        horizon.keep(connection)
    with caution.counted(connection, f"chunk {job.id} {chunk.number}") as deadly:
        if deadly:
            reason = DEADLY.format(tries=caution.MOST_TRIES)
            outcome = bisection.failed(connection, job, chunk, "gave_up", reason)
        else:
            step = bisection.apply if carefully else None
            with meters.timed(job.kind):
                outcome = preview.apply(connection, job, chunk, step)
        closed = progress.close(connection, job, chunk, outcome)
    if closed.ended:
        database.commit_now(connection)
    throttle.note(connection, chunk.items)
    return closed


def _may_begin(until: float) -> bool:
    """Wait for the ceiling to let a chunk begin; False where that is beyond the time slice."""
    if settings.load().max_rate is None:
        return True
    with database.reading() as connection:
        wait = throttle.wait_s(connection)
    time.sleep(min(wait, max(0.0, until - time.monotonic())))
    return wait == 0 or time.monotonic() < until


def _go_on() -> None:
    meters.hand_in()
    with database.reading() as connection:
        more = turns.any_open(connection)
    if more:
        # a second one where none is waiting: so their number grows till every worker is busy
        broker.wake(1 if broker.sweeps_waiting() else 2)
