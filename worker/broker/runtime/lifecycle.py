"""A worker's start and stop: it checks the store, then recovers in turn with others until it ends.

Recovery runs in a thread of one of its pool processes: jobs continue without an extra scheduler
process or a timer of the broker's. The process that they are forked from has no thread that takes
locks: a fork copies those that are held at that moment, and nobody releases the copies.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from celery import signals

from tagsweep.worker import database, settings
from tagsweep.worker.broker.app import BEGAN, DIED, process_died
from tagsweep.worker.broker.redis import sentinel, transport
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.mapping import readiness
from tagsweep.worker.settings import REDIS, scheme

log = logging.getLogger(__name__)

#: seconds that a process may take at its end to leave recovery to another worker
END_S = 1
#: seconds for which a process may be kept from its work at its begin; Celery kills it after 4
CAREFUL_S = 2
#: seconds that a worker has to finish its current work when asked to stop
PATIENCE_S = 5


class Recovery(NamedTuple):
    """Has steps counted after a crash (BEGAN or DIED), and recovers until the event is set."""

    be_careful: Callable[[str], None]
    take: Callable[[threading.Event], None]


_recovery: list[Recovery] = []


def recover_with(recovery: Recovery) -> None:
    """From now on, do recovery in every worker by this."""
    _recovery[:] = [recovery]


def attach() -> None:
    """Make every worker in this process check its store and recover open jobs."""

    def end(how: str, **_: Any) -> None:
        if how == "Warm":
            threading.Thread(target=_force_end, name="tagsweep-end", daemon=True).start()

    pool_process.attach()
    pool_process.at_begin.append(_begin_in_pool)
    if scheme(settings.load().broker_url) in REDIS:
        transport.attach()
        sentinel.attach()
    signals.worker_init.connect(_check_store, weak=False)
    os.register_at_fork(after_in_parent=process_died.clear)
    signals.worker_shutting_down.connect(end, weak=False)


def _force_end() -> None:
    """End the worker if its current work is not finished in time; that work is rolled back."""
    time.sleep(PATIENCE_S)
    log.warning("The current work takes too long: it is rolled back and left to another worker.")
    os.kill(os.getpid(), signal.SIGQUIT)


@contextmanager
def recovering() -> Iterator[None]:
    """Recover in a thread of this process during the block."""
    stop = threading.Event()

    def recover() -> None:
        _recovery[0].be_careful(BEGAN)
        _recovery[0].take(stop)

    thread = _start(recover)
    try:
        yield
    finally:
        stop.set()
        thread.join(END_S)


def _begin_in_pool() -> None:
    """Recover in a thread of this pool process, once it is the first of those of its worker.

    Where there is a reason, have steps counted before this process does any: one that kills at
    once would never be counted. A process that replaces another inherits whether that one died.
    """
    after = DIED if process_died.is_set() else BEGAN
    process_died.clear()
    stop, careful, began = threading.Event(), threading.Event(), threading.Event()

    def recover() -> None:
        _recovery[0].be_careful(after)
        careful.set()
        pool_process.wait_to_be_first()
        began.set()
        _recovery[0].take(stop)

    thread = _start(recover)

    def end() -> None:
        stop.set()
        if began.is_set():
            thread.join(END_S)

    pool_process.at_end.append(end)
    careful.wait(CAREFUL_S)


def _start(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name="tagsweep-recovery", daemon=True)
    thread.start()
    return thread


def _check_store(**_: Any) -> None:
    try:
        readiness.check()
    except TagsweepError as error:
        sys.exit(f"tagsweep: {error}")
    finally:
        database.forget_engine()  # pool processes are forked from here and open their own
