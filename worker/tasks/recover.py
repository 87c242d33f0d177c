"""The task ``tags.recover``: find in the store what was left undone, and get it done."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tagsweep.worker import database, settings
from tagsweep.worker.broker import names, sending
from tagsweep.worker.broker.app import DIED, app
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.chunks import poison, timings
from tagsweep.worker.errors import Retryable, StoreRefused
from tagsweep.worker.events import outbox, relay
from tagsweep.worker.jobs import backoff, parts, retention, scheduling
from tagsweep.worker.outages import Outage
from tagsweep.worker.tasks import dead_letters

log = logging.getLogger(__name__)

STOPPED = "Its producer stopped after {parts} parts, before the list was complete: send it again."

_outage = Outage(log, "Recovery works again")
_pauses: dict[str, backoff.Pause] = {}  #: by step, of this process


# acknowledged early: while one waits for a broker that takes no messages, the next is at hand
@task("tags.recover", again=False, acks_late=False)
def recover(delivery: Delivery) -> None:
    """Get done what was left undone; every worker sends itself this every few seconds."""
    run(delivery.body or None)


def run(after: str | None = None) -> None:
    """Wake sweeps for recorded jobs and open chunks, publish ends that are not published.

    However many workers do this at once, each step is done by one of them; if a step is refused,
    the others are done all the same. ``after``: what happened to the worker that asks for it, DIED
    or BEGAN.
    """
    if after is not None:
        _step("care", lambda: _be_careful(after))
    for name, step in _STEPS.items():
        _step(name, step)
    timings.hand_in()


def _step(name: str, step: Callable[[], None]) -> None:
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


def _publish() -> None:
    with database.reading() as connection:
        unpublished = outbox.waiting(connection)
    if unpublished:
        relay.deliver()


def _follow_streams() -> None:
    with database.reading() as connection:
        incomplete = scheduling.any_incomplete(connection)
    if incomplete:
        _probe_streams()


def _wake() -> None:
    with database.reading() as connection:
        any_open = scheduling.any_open(connection) or scheduling.any_to_split(connection)
    if any_open:
        sending.wake()


def _be_careful(after: str) -> None:
    """Have steps counted if a worker may have crashed because of what it was doing.

    A worker that starts while something is open may replace one that crashed as a whole.
    """
    with database.reading() as connection:
        open_now = scheduling.any_open(connection) or scheduling.any_to_split(connection)
    if after == DIED or open_now:
        with database.transaction() as connection:
            poison.alert(connection)


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


_STEPS: dict[str, Callable[[], None]] = {
    "publish": _publish,
    "streams": _follow_streams,
    "wake": _wake,
    "retention": retention.keep,
}
