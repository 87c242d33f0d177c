"""Find what stands open in the store and set it going again: any worker, every few seconds."""

from __future__ import annotations

from worker import acceptance, database, meters, outbox, progress, relay, silence
from worker.messaging import broker
from worker.messaging.app import app

STOPPED = "Its producer stopped after {parts} parts, before the list was complete: send it anew."


def recover() -> None:
    """Split what was only recorded, wake sweeps for what is open, publish what was left behind.

    However many workers do this at once, each step is done by one of them.
    """
    with database.reading() as connection:
        recorded = progress.ready_to_split(connection)
        unpublished = outbox.waiting(connection)
        incomplete = progress.any_incomplete(connection)
    for job_id in recorded:
        acceptance.start_recorded(job_id)
    if unpublished:
        relay.deliver()
    if incomplete:
        _look_after_streams()
    with database.reading() as connection:
        any_open = progress.any_open(connection)
    if any_open:
        broker.wake()
    meters.hand_in()


def _look_after_streams() -> None:
    with database.transaction() as connection:
        to_probe = silence.to_probe(connection)
        stopped = silence.given_up(connection)
    for job_id in to_probe:
        broker.send(app(), "tags.probe", str(job_id))
    for job_id, parts in stopped:
        acceptance.give_up(job_id, STOPPED.format(parts=parts))
