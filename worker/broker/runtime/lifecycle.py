"""A worker's start and stop: it checks the store, then recovers in turn with others until it ends.

Recovery runs in a thread of one of its pool processes: jobs continue without an extra scheduler
process or a timer of the broker's.
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
from typing import Any

from celery import signals

from tagsweep.worker import database, settings
from tagsweep.worker.broker import names, sending
from tagsweep.worker.broker.app import DIED, app, process_died
from tagsweep.worker.broker.redis import sentinel, transport
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError
from tagsweep.worker.mapping import readiness
from tagsweep.worker.outages import Outage
from tagsweep.worker.settings import REDIS, scheme

log = logging.getLogger(__name__)

#: seconds that a process may take at its end to leave recovery to another worker
END_S = 1
#: seconds before another try to report that a process died
REPORT_AGAIN_S = 1
#: seconds that a worker has to finish its current work when asked to stop
PATIENCE_S = 5


#: recovers until the event is set
Recovery = Callable[[threading.Event], None]

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
    signals.worker_ready.connect(_begin_reporting, weak=False)
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
    thread = _start(_recovery[0], stop)
    try:
        yield
    finally:
        stop.set()
        thread.join(END_S)


def _begin_in_pool() -> None:
    """Recover in a thread of this pool process, once it is the first of those of its worker."""
    stop, began = threading.Event(), threading.Event()

    def recover() -> None:
        pool_process.wait_to_be_first()
        began.set()
        _recovery[0](stop)

    thread = _start(recover)

    def end() -> None:
        stop.set()
        if began.is_set():
            thread.join(END_S)

    pool_process.at_end.append(end)


def _start(target: Callable[..., None], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name="tagsweep-recovery", daemon=True)
    thread.start()
    return thread


def _check_store(**_: Any) -> None:
    try:
        readiness.check()
    except TagsweepError as error:
        sys.exit(f"tagsweep: {error}")
    finally:
        database.forget_engine()  # pool processes are forked from here and open their own


def _begin_reporting(**_: Any) -> None:
    threading.Thread(target=_report_deaths, name="tagsweep-deaths", daemon=True).start()


def _report_deaths() -> None:
    """Have steps counted whenever a pool process has died while running a task."""
    outage = Outage(log, "The broker takes messages again")
    while True:
        process_died.wait()
        process_died.clear()
        while not _is_reported(outage):
            time.sleep(REPORT_AGAIN_S)


def _is_reported(outage: Outage) -> bool:
    try:
        sending.send(app(), "tags.recover", DIED, queue=names.sweeps())
    except BrokerUnavailable as error:
        outage.failed(f"That a process died cannot be reported. {error}")
        return False
    except Exception:  # this thread must not end
        log.exception("That a process died could not be reported.")
        return False
    outage.over()
    return True
