"""A worker's start and stop: it checks the store, then asks for recovery until it ends.

Every worker sends ``tags.recover`` every few seconds, from a thread that uses only the broker: jobs
continue without an extra scheduler process or a timer of the broker's.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from celery import signals

from tagsweep.worker import database, settings
from tagsweep.worker.broker import names, sending
from tagsweep.worker.broker.app import (
    BEGAN,
    DIED,
    app,
    process_died,
)
from tagsweep.worker.broker.redis import sentinel, transport
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError
from tagsweep.worker.mapping import readiness
from tagsweep.worker.outages import Outage
from tagsweep.worker.settings import REDIS, scheme

log = logging.getLogger(__name__)

#: seconds that a worker has to finish its current work when asked to stop
PATIENCE_S = 5


def attach() -> None:
    """Make every worker in this process check its store and ask for the recovery of open jobs."""
    stops: list[threading.Event] = []

    def start(**_: Any) -> None:
        stops.append(begin())

    def end(how: str, **_: Any) -> None:
        for stop in stops:
            stop.set()
        if how == "Warm":
            threading.Thread(target=_force_end, name="tagsweep-end", daemon=True).start()

    pool_process.attach()
    if scheme(settings.load().broker_url) in REDIS:
        transport.attach()
        sentinel.attach()
    signals.worker_init.connect(_check_store, weak=False)
    signals.worker_ready.connect(start, weak=False)
    signals.worker_shutting_down.connect(end, weak=False)


def _force_end() -> None:
    """End the worker if its current work is not finished in time; that work is rolled back."""
    time.sleep(PATIENCE_S)
    log.warning("The current work takes too long: it is rolled back and left to another worker.")
    os.kill(os.getpid(), signal.SIGQUIT)


def begin() -> threading.Event:
    """Ask for recovery now and every few seconds, until the returned event is set."""
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=[stop], name="tagsweep-recovery", daemon=True)
    beat.start()
    return stop


def _check_store(**_: Any) -> None:
    try:
        readiness.check()
    except TagsweepError as error:
        sys.exit(f"tagsweep: {error}")
    finally:
        database.forget_engine()  # pool processes are forked from here and open their own


def _beat(stop: threading.Event) -> None:
    interval = settings.load().recovery_interval_s
    reason: str | None = BEGAN
    outage = Outage(log, "The broker takes messages again")
    while not stop.is_set():
        if process_died.is_set():
            process_died.clear()
            reason = DIED
        # requests that pile up would do the same again; only one with a reason must arrive
        expires = None if reason else interval
        try:
            sending.send(app(), "tags.recover", reason, queue=names.sweeps(), expires=expires)
            reason = None
            outage.over()
        except BrokerUnavailable as error:
            outage.failed(f"Recovery cannot be requested. {error}")
        except Exception:  # this thread must not end
            log.exception("Recovery could not be requested.")
        stop.wait(interval)
