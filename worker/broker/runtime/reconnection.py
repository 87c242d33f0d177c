"""A worker's connection to its broker: lost, or refused, it is tried again, later and later.

What a broker answers that is no success (a Redis that became a replica or is full, a queue that is
not there, a missing right) is for the worker a lost connection: it drops it, waits, and begins
anew. It ends for none of that.
"""

from __future__ import annotations

import logging
import random
import time
import warnings
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked
from celery.exceptions import WorkerTerminate
from celery.platforms import EX_FAILURE
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu.exceptions import KombuError

from tagsweep.worker.broker import error_replies, sending
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

#: seconds before a broker that refused is tried again: at first, at most; doubled, with jitter
PAUSE_S, MOST_PAUSE_S = 0.2, 5.0
#: after so long without another failure it serves: the next one is tried again soon
SERVED_S = 5.0
#: seconds between the tries to reach a broker that went away: from, growing by, at most
_RECONNECT = {"interval_start": 0.2, "interval_step": 0.4, "interval_max": 2}
#: how often a worker that waits looks whether it is asked to stop
LOOK_S = 0.1


def _of_redis(driver: str) -> tuple[type[Exception], ...]:
    """Return what a client of Redis raises beside what kombu expects of it."""
    if driver != "redis":
        return ()
    from kombu.transport import redis  # the transport is that already

    client: Any = redis
    return (client.exceptions.RedisError,)


class Consumer(CeleryConsumer):
    """Celery's consumer, which outlives whatever its broker answers."""

    connection: Any  # the stubs lack these
    controller: Any
    channel_errors: Any
    conninfo: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Celery ends its worker for what is in neither of the first two, and on most transports
        # for what is not in the first
        errors: Any = self.connection_errors  # type: ignore[has-type]  # the stubs lack it
        self.connection_errors = (
            *errors,
            *self.channel_errors,
            AMQPError,
            KombuError,
            MessageNacked,
            *_of_redis(self.conninfo.transport.driver_type),
        )
        self._outage = Outage(log, "The broker serves this worker again")
        self._failures = 0
        self._serves: Any = None  #: the timer's entry after which it does

    def start(self) -> None:
        """Consume until the worker ends; where it ends itself, not asked to, its status says so."""
        try:
            super().start()
        except WorkerTerminate:
            if state.should_terminate is None:
                self.controller.exitcode = EX_FAILURE
            raise

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """Connect for Celery's events, which nobody waits for: none is confirmed."""
        unconfirmed = {"confirm_publish": False}
        return self.ensure_connected(
            self.app.connection_for_write(url, heartbeat=heartbeat, transport_options=unconfirmed)
        )

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, however long that takes; Celery would ask only every 30 s after a while."""
        conn = conn.ensure_connection(self._unreachable, callback=maybe_shutdown, **_RECONNECT)
        self.first_connection_attempt = False
        return conn

    def on_ready(self) -> None:
        """Note that messages come; that they keep coming shows only after a while."""
        super().on_ready()
        self._serves = self.timer.call_after(SERVED_S, self._note_service)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait a while before the next try."""
        self._wait(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of the connection, and wait a while before the next try."""
        with warnings.catch_warnings():  # each time, of a default that another version will change
            warnings.simplefilter("ignore")
            super().on_connection_error_after_connected(exc)
        self._wait(exc)

    def _unreachable(self, exc: Exception, _: float) -> None:
        self._outage.failed(error_replies.raised(sending.server(self.app), exc))

    def _note_service(self) -> None:
        self._failures = 0
        self._outage.over()

    def _wait(self, exc: Exception) -> None:
        """Wait before the next try; raises what ends a worker that is asked to stop."""
        self._unreachable(exc, 0)
        if self._serves is not None:
            self._serves.cancel()
        pause = min(MOST_PAUSE_S, PAUSE_S * 2 ** min(self._failures, 10))
        self._failures += 1
        pause *= random.uniform(0.5, 1)  # noqa: S311  # so that not all workers come at once
        until = time.monotonic() + pause
        while time.monotonic() < until:
            maybe_shutdown()
            time.sleep(LOOK_S)
