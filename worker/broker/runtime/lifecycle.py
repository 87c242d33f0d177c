"""What a worker does beside its tasks: look at the store when it starts, and ask for recovery.

Every worker sends itself ``tags.recover`` every few seconds, from a thread that touches nothing
but the broker: no extra process, and no timer of the broker's, decides whether jobs go on.
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
from tagsweep.worker.database import schema
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError
from tagsweep.worker.outages import Outage
from tagsweep.worker.settings import REDIS, scheme

log = logging.getLogger(__name__)

#: how long a worker that is asked to stop goes on with what it has in hand
PATIENCE_S = 5


def attach() -> None:
    """Let every worker that this process runs check its store and recover what stands open."""
    stops: list[threading.Event] = []

    def start(**_: Any) -> None:
        stops.append(begin())

    def end(how: str, **_: Any) -> None:
        for stop in stops:
            stop.set()
        if how == "Warm":
            threading.Thread(target=_insist, name="tagsweep-end", daemon=True).start()

    pool_process.attach()
    if scheme(settings.load().broker_url) in REDIS:
        transport.attach()
        sentinel.attach()
    signals.worker_init.connect(_check_store, weak=False)
    signals.worker_ready.connect(start, weak=False)
    signals.worker_shutting_down.connect(end, weak=False)


def _insist() -> None:
    """End the worker where what it has in hand is not finished in time: that is rolled back."""
    time.sleep(PATIENCE_S)
    log.warning("What is in hand takes too long: it is rolled back, and done by another worker.")
    os.kill(os.getpid(), signal.SIGQUIT)


def begin() -> threading.Event:
    """Ask for recovery now and every few seconds, until the returned event is set."""
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=[stop], name="tagsweep-heart", daemon=True)
    beat.start()
    return stop


def _check_store(**_: Any) -> None:
    try:
        schema.ready()
    except TagsweepError as error:
        sys.exit(f"tagsweep: {error}")
    finally:
        database.forget_engine()  # pool processes are forked from here: they open their own


def _beat(stop: threading.Event) -> None:
    interval = settings.load().recovery_interval_s
    happened: str | None = BEGAN
    outage = Outage(log, "The broker takes messages again")
    while not stop.is_set():
        if process_died.is_set():
            process_died.clear()
            happened = DIED
        # one after the other would do the same again; only what has happened must be told
        expires = None if happened else interval
        try:
            sending.send(app(), "tags.recover", happened, queue=names.sweeps(), expires=expires)
            happened = None
            outage.over()
        except BrokerUnavailable as error:
            outage.failed(f"Recovery cannot be asked for. {error}")
        except Exception:  # the heart of a worker must not stop
            log.exception("Recovery could not be asked for.")
        stop.wait(interval)
