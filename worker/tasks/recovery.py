"""Find what stands open in the store and set it going again: any worker, every few seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tagsweep.worker import database
from tagsweep.worker.broker import names, sending
from tagsweep.worker.broker.app import DIED, app
from tagsweep.worker.chunks import poison, timings
from tagsweep.worker.errors import NoSuchJob, Retryable, StoreRefused
from tagsweep.worker.events import outbox, relay
from tagsweep.worker.jobs import backoff, parts, retention, scheduling
from tagsweep.worker.outages import Outage
from tagsweep.worker.tasks import acceptance, dead_letters, starting

log = logging.getLogger(__name__)

STOPPED = "Its producer stopped after {parts} parts, before the list was complete: send it again."

_outage = Outage(log, "Recovery goes on")
_pauses: dict[str, backoff.Pause] = {}  #: of this process


def recover(after: str | None = None) -> None:
    """Split what was only recorded, wake sweeps for what is open, publish what was left behind.

    However many workers do this at once, each step is done by one of them; where a step is refused,
    the others are done all the same. ``after``: what has happened to the worker that asks for it,
    DIED or BEGAN.
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


def _split() -> None:
    """Split what was recorded; a job that cannot be is no reason to leave the others."""
    with database.reading() as connection:
        recorded = scheduling.ready_to_split(connection)
    for job_id in recorded:
        try:
            starting.start_recorded(job_id)
        except NoSuchJob:  # taken back meanwhile
            continue
        except Retryable as error:
            _outage.failed(error)
        except Exception as error:  # noqa: BLE001  # it is counted
            dead_letters.give_up_start(job_id, error)


def _publish() -> None:
    with database.reading() as connection:
        unpublished = outbox.waiting(connection)
    if unpublished:
        relay.deliver()


def _follow_streams() -> None:
    with database.reading() as connection:
        incomplete = scheduling.any_incomplete(connection)
    if incomplete:
        _look_after_streams()


def _wake() -> None:
    with database.reading() as connection:
        any_open = scheduling.any_open(connection)
    if any_open:
        sending.wake()


def _be_careful(after: str) -> None:
    """Raise the alarm where a worker may have died of what it had in hand.

    One that begins while something stands open may be the successor of one that died whole.
    """
    with database.reading() as connection:
        open_now = scheduling.any_open(connection) or scheduling.ready_to_split(connection, most=1)
    if after == DIED or open_now:
        with database.transaction() as connection:
            poison.alert(connection)


def _look_after_streams() -> None:
    with database.transaction() as connection:
        to_probe = parts.to_probe(connection)
        stopped = parts.stopped(connection)
    for job_id in to_probe:
        sending.send(app(), "tags.probe", str(job_id), queue=names.parts())
    for job_id, count in stopped:
        acceptance.give_up(job_id, STOPPED.format(parts=count))


_STEPS: dict[str, Callable[[], None]] = {
    "split": _split,
    "publish": _publish,
    "streams": _follow_streams,
    "wake": _wake,
    "retention": retention.keep,
}
