"""Find what stands open in the store and set it going again: any worker, every few seconds."""

from __future__ import annotations

from worker import (
    acceptance,
    caution,
    database,
    housekeeping,
    meters,
    outbox,
    relay,
    silence,
    turns,
)
from worker.messaging import broker
from worker.messaging.app import DIED, PARTS, app

STOPPED = "Its producer stopped after {parts} parts, before the list was complete: send it anew."


def recover(after: str | None = None) -> None:
    """Split what was only recorded, wake sweeps for what is open, publish what was left behind.

    However many workers do this at once, each step is done by one of them. ``after``: what has
    happened to the worker that asks for it, DIED or BEGAN.
    """
    if after is not None:
        _be_careful(after)
    with database.reading() as connection:
        recorded = turns.ready_to_split(connection)
        unpublished = outbox.waiting(connection)
        incomplete = turns.any_incomplete(connection)
    for job_id in recorded:
        acceptance.start_recorded(job_id)
    if unpublished:
        relay.deliver()
    if incomplete:
        _look_after_streams()
    with database.reading() as connection:
        any_open = turns.any_open(connection)
    if any_open:
        broker.wake()
    meters.hand_in()
    housekeeping.keep()


def _be_careful(after: str) -> None:
    """Raise the alarm where a worker may have died of what it had in hand.

    One that begins while something stands open may be the successor of one that died whole.
    """
    with database.reading() as connection:
        open_now = turns.any_open(connection) or turns.ready_to_split(connection, most=1)
    if after == DIED or open_now:
        with database.transaction() as connection:
            caution.alert(connection)


def _look_after_streams() -> None:
    with database.transaction() as connection:
        to_probe = silence.to_probe(connection)
        stopped = silence.given_up(connection)
    for job_id in to_probe:
        broker.send(app(), "tags.probe", str(job_id), queue=PARTS)
    for job_id, parts in stopped:
        acceptance.give_up(job_id, STOPPED.format(parts=parts))
