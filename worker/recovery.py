"""Find what stands open in the store and set it going again: any worker, every few seconds."""

from __future__ import annotations

from worker import acceptance, database, outbox, progress, relay
from worker.messaging import broker


def recover() -> None:
    """Split what was only recorded, wake sweeps for what is open, publish what was left behind.

    However many workers do this at once, each step is done by one of them.
    """
    with database.reading() as connection:
        recorded = progress.ready_to_split(connection)
        unpublished = outbox.waiting(connection)
    for job_id in recorded:
        acceptance.start_recorded(job_id)
    if unpublished:
        relay.deliver()
    with database.reading() as connection:
        any_open = progress.any_open(connection)
    if any_open:
        broker.wake()
