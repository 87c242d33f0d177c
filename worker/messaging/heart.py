"""What a worker does beside its tasks: look at the store when it starts, and ask for recovery.

Every worker sends itself ``tags.recover`` every few seconds, from a thread that touches nothing
but the broker: no extra process, and no timer of the broker's, decides whether jobs go on.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

from celery import signals

from worker import database, schema, settings
from worker.errors import BrokerUnavailable, TagsweepError
from worker.messaging import broker
from worker.messaging.app import SWEEPS, app

log = logging.getLogger(__name__)


def attach() -> None:
    """Let every worker that this process runs check its store and recover what stands open."""
    stops: list[threading.Event] = []

    def start(**_: Any) -> None:
        stops.append(begin())

    def end(**_: Any) -> None:
        for stop in stops:
            stop.set()

    signals.worker_init.connect(_check_store, weak=False)
    signals.worker_ready.connect(start, weak=False)
    signals.worker_shutting_down.connect(end, weak=False)


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
    while not stop.is_set():
        try:
            broker.send(app(), "tags.recover", queue=SWEEPS, expires=interval)
        except BrokerUnavailable as error:
            log.warning("%s", error)
        stop.wait(interval)
