"""Recovery: find in the store what was left undone, and get it done.

One worker at a time does so (``recovery_turns``), and no message asks for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tagsweep.worker import database, settings
from tagsweep.worker.broker import names, sending
from tagsweep.worker.broker.app import BEGAN, DIED, app
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.chunks import poison
from tagsweep.worker.database import Connection
from tagsweep.worker.errors import Retryable, StoreRefused
from tagsweep.worker.events import outbox, relay
from tagsweep.worker.jobs import backoff, parts, retention, scheduling
from tagsweep.worker.outages import Outage
from tagsweep.worker.tasks import dead_letters

log = logging.getLogger(__name__)

STOPPED = "Its producer stopped after {parts} parts, before the list was complete: send it again."

_outage = Outage(log, "Recovery works again")
_pauses: dict[str, backoff.Pause] = {}  #: by step, of this process


class Step(NamedTuple):
    """A part of recovery: whether there is anything to do, and doing it."""

    is_due: Callable[[Connection], bool]
    do: Callable[[], object]


# acknowledged early: while one waits for a broker that takes no messages, the next is at hand
@task("tags.recover", again=False, acks_late=False)
def recover(delivery: Delivery) -> None:
    """Have steps counted after a process of a worker of an older version died.

    Such workers also ask for recovery by this every second, in vain. Ours send nothing.
    """
    if delivery.body in (BEGAN, DIED):
        be_careful(delivery.body)


def run() -> bool:
    """Look once, and do what is due; return whether anything was."""
    with database.reading() as connection:
        names_due = due(connection)
    do(names_due)
    return bool(names_due)


def due(connection: Connection) -> list[str]:
    """Return the steps that have something to do; all of them if the store refuses to say."""
    try:
        with database.savepoint(connection):
            return [name for name, step in _STEPS.items() if step.is_due(connection)]
    except StoreRefused as error:
        _outage.failed(f"Recovery: {error}")
        return list(_STEPS)


def do(steps: Iterable[str]) -> None:
    """Do these steps; if one is refused, the others are done all the same."""
    for name in steps:
        _step(name, _STEPS[name].do)


def be_careful(after: str) -> None:
    """Have steps counted if a worker may have crashed because of what it was doing.

    ``after``: what happened to the worker that asks for it, DIED or BEGAN. A worker that begins
    while something is open may replace one that crashed as a whole.
    """
    _step("care", lambda: _be_careful(after))


def _step(name: str, step: Callable[[], object]) -> None:
    """Do a step, unless it was refused a short while ago."""
    pause = _pauses.setdefault(name, backoff.Pause())
    if not pause.is_over:
        return
    try:
        step()
    except StoreRefused as error:
        pause.refused()
        _outage.failed(f"Recovery ({name}): {error}")
    except Retryable as error:
        _outage.failed(f"Recovery ({name}): {error}")
    except Exception:
        pause.refused()
        log.exception("Recovery (%s) was stopped.", name)
    else:
        pause.taken()


def _be_careful(after: str) -> None:
    with database.reading() as connection:
        open_now = _is_anything_open(connection)
    if after == DIED or open_now:
        with database.transaction() as connection:
            poison.alert(connection)


def _is_anything_open(connection: Connection) -> bool:
    return scheduling.any_open(connection) or scheduling.any_to_split(connection)


def _probe_streams() -> None:
    config = settings.load()
    # a part that is redelivered after its worker died arrives within this time
    patience_s = max(config.stream_silence_s, 2 * config.visibility_s)
    with database.transaction() as connection:
        to_probe = parts.to_probe(connection, config.stream_silence_s)
        stopped = parts.stopped(connection, patience_s)
    for job_id in to_probe:
        sending.send(app(), "tags.probe", str(job_id), queue=names.parts())
    for job_id, count in stopped:
        dead_letters.fail(job_id, STOPPED.format(parts=count))


_STEPS = {
    "publish": Step(outbox.waiting, relay.deliver),
    "streams": Step(scheduling.any_incomplete, _probe_streams),
    "wake": Step(_is_anything_open, sending.wake),
    "retention": Step(retention.is_due, retention.keep),
}
