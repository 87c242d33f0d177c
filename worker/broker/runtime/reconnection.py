"""A worker's connection to its broker: if lost or refused, it is retried with growing pauses.

Any error reply of a broker (a Redis that became a replica or is full, a missing queue or right) is
treated as a lost connection: the worker drops it, waits and reconnects. It never ends because of
one.
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

#: seconds before the next attempt: initially, at most; doubled each time, with jitter
PAUSE_S, MOST_PAUSE_S = 0.2, 5.0
#: seconds without a failure after which the pause starts small again
SERVED_S = 5.0
#: seconds between attempts to reach a broker that went away: first, growing by, at most
_RECONNECT = {"interval_start": 0.2, "interval_step": 0.4, "interval_max": 2}
#: how often a waiting worker checks whether it is asked to stop
LOOK_S = 0.1


def _of_redis(driver: str) -> tuple[type[Exception], ...]:
    """Return the errors of the Redis client that kombu does not expect."""
    if driver != "redis":
        return ()
    from kombu.transport import redis  # already loaded by the transport

    client: Any = redis
    return (client.exceptions.RedisError,)


class Consumer(CeleryConsumer):
    """Celery's consumer, except that no reply of its broker ends it."""

    connection: Any  # the stubs lack these
    controller: Any
    channel_errors: Any
    conninfo: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Celery ends its worker on errors in neither of the first two, and on most transports on
        # any that is not in the first
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
        self._serves: Any = None  #: the timer's entry that resets the pause

    def start(self) -> None:
        """Consume until the worker ends; set a failure status if it was not asked to end."""
        try:
            super().start()
        except WorkerTerminate:
            if state.should_terminate is None:
                self.controller.exitcode = EX_FAILURE
            raise

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """Connect for Celery's events, which are not confirmed because nobody waits for them."""
        unconfirmed = {"confirm_publish": False}
        return self.ensure_connected(
            self.app.connection_for_write(url, heartbeat=heartbeat, transport_options=unconfirmed)
        )

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, however long that takes; Celery's own pauses would grow to 30 s."""
        conn = conn.ensure_connection(self._unreachable, callback=maybe_shutdown, **_RECONNECT)
        self.first_connection_attempt = False
        return conn

    def on_ready(self) -> None:
        """Reset the pause once the connection has lasted SERVED_S seconds."""
        super().on_ready()
        self._serves = self.timer.call_after(SERVED_S, self._note_service)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Pause before the next attempt."""
        self._wait(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop the connection and pause before the next attempt."""
        with warnings.catch_warnings():  # warns each time of a default that a later version changes
            warnings.simplefilter("ignore")
            super().on_connection_error_after_connected(exc)
        self._wait(exc)

    def _unreachable(self, exc: Exception, _: float) -> None:
        self._outage.failed(error_replies.raised(sending.server(self.app), exc))

    def _note_service(self) -> None:
        self._failures = 0
        self._outage.over()

    def _wait(self, exc: Exception) -> None:
        """Pause before the next attempt; raises what ends a worker that is asked to stop."""
        self._unreachable(exc, 0)
        if self._serves is not None:
            self._serves.cancel()
        pause = min(MOST_PAUSE_S, PAUSE_S * 2 ** min(self._failures, 10))
        self._failures += 1
        pause *= random.uniform(0.5, 1)  # noqa: S311  # so that not all workers reconnect at once
        until = time.monotonic() + pause
        while time.monotonic() < until:
            maybe_shutdown()
            time.sleep(LOOK_S)
