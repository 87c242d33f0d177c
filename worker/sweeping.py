"""Work through open chunks for a while, one transaction each: claim, apply, record, count down."""

from __future__ import annotations

import time

from worker import database, progress, relay, settings
from worker.messaging import broker
from worker.models.records import JobRecord
from worker.store import KINDS


def sweep() -> None:
    """Apply chunks for a time slice, then go on in a new message, so that others get their turn."""
    until = time.monotonic() + settings.load().slice_ms / 1000
    while time.monotonic() < until:
        job = apply_next()
        if job is None:
            return
        if job.ended:
            relay.deliver(job.id)
    with database.reading() as connection:
        more = progress.any_open(connection)
    if more:
        # a second one where none is waiting: so their number grows till every worker is busy
        broker.wake(1 if broker.sweeps_waiting() else 2)


def apply_next() -> JobRecord | None:
    """Apply the chunk whose turn it is; return its job as it is then, None where none is open.

    Killed at any moment, the chunk is open again at once: nothing outlives its one transaction.
    """
    with database.transaction() as connection:
        claimed = progress.claim(connection)
        if claimed is None:
            return None
        job, chunk = claimed
        if job.cancelling:
            return progress.drop(connection, job, chunk)
        outcome = KINDS[job.kind].apply(connection, job, chunk)
        return progress.close(connection, job, chunk, outcome)
