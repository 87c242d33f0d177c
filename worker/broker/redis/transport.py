"""Reliable fetch on Redis: a message stays stored there until its worker has registered it.

Celery's transport fetches messages by BRPOP: one that Redis hands to a worker killed at that moment
is lost. Here a script pops and stores it atomically. Redis' own clock decides when it is restored:
otherwise a worker whose clock is ahead would at once restore whatever all others are working on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.asynchronous import get_event_loop
from kombu.transport import redis
from kombu.transport.virtual.base import QoS as VirtualQoS
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from tagsweep.worker.broker import names
from tagsweep.worker.broker.redis import channel, scripts
from tagsweep.worker.broker.runtime import consumer
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

#: seconds between polls of the queues: minimum, maximum, and share of the time without messages
LEAST_S, MOST_S, SHARE = 0.002, 0.05, 0.02
#: after LONG_S without messages, block on Redis for a job, WAIT_S at a time; a sweep or a part does
#: not end that wait and is seen after it
LONG_S, WAIT_S = 2, 0.1
#: how many jobs are fetched before a sweep or a part: small ones take about a time slice together
MOST_IN_A_ROW = 20
#: sent every few seconds, also without any job
RECOVER = "tags.recover"

_LOST, _REFUSED = redis.get_redis_error_classes()

_unrestored = Outage(log, "Messages of dead workers are restored again")

# these have no types
_QoS: Any = redis.QoS
_Channel: Any = channel.Channel


class QoS(_QoS):  # type: ignore[misc]
    """The messages that this worker has not acknowledged."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Register the message: from here on it is in Celery's own unacknowledged set."""
        if not self.channel.taken:
            super().append(message, delivery_tag)
            return
        info = message.delivery_info
        address = dumps([info["exchange"], info["routing_key"]])[1:-1]
        keys = (self.unacked_key, self.unacked_index_key, *names.taken())
        with self.channel.conn_or_acquire() as client:
            client.eval(scripts.NOTE, len(keys), *keys, delivery_tag, self.channel.taken, address)
        VirtualQoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; one whose connection is gone is restored later."""
        self._settle(delivery_tag, super().ack)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's
        """Requeue or drop a message; one whose connection is gone is restored later."""
        self._settle(delivery_tag, partial(super().reject, requeue=requeue))

    def _settle(self, delivery_tag: str, step: Callable[[str], None]) -> None:
        """Run ``step`` on an unacknowledged message; if it fails, give up the connection.

        Kombu would continue and count the message as unacknowledged for ever, and on a missing
        connection end the worker.
        """
        transport = self.channel.connection
        if transport is None or transport.client is None:  # either may be closed first
            return
        try:
            step(delivery_tag)
        except (*_LOST, *_REFUSED) as error:
            VirtualQoS.ack(self, delivery_tag)
            self.channel.lost = error

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        """Queue the removal of a message; without MULTI, which a full Redis refuses.

        In this order a half-done removal is harmless: an entry of the index without a message.
        """
        if pipe is None:
            with self.channel.conn_or_acquire() as client:
                pipe = client.pipeline(transaction=False)
        return pipe.hdel(self.unacked_key, delivery_tag).zrem(self.unacked_index_key, delivery_tag)

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Requeue the messages of dead workers, registered or on their way."""
        try:
            self._restore(*args, **kwargs)
        except _REFUSED as error:
            _unrestored.failed(f"Messages of dead workers cannot be restored: {error}")
        else:
            _unrestored.over()

    def _restore(self, *args: Any, **kwargs: Any) -> None:
        patience = self.channel.visibility_timeout
        with self.channel.conn_or_acquire() as client:
            seconds, microseconds = client.time()
            client.eval(scripts.BRING_BACK, 2, *names.taken(), patience)
        # how far this process's clock is ahead of Redis'
        ahead = time.time() - (seconds + microseconds / 1e6)
        self.visibility_timeout = patience + ahead
        super().restore_visible(*args, **kwargs)


class Channel(_Channel):  # type: ignore[misc]
    """A channel to the queues with reliable fetch on those of jobs."""

    QoS = QoS
    lost: Exception | None = None  #: why this connection must be given up
    taken = ""  #: the key of the last message fetched; empty if it was not stored
    _taking = True  # False: it blocks until there is a job
    _in_a_row = 0
    _can_wait = True
    _resting = False
    _quiet_since = 0.0

    def _brpop_start(self, timeout: float | None = None) -> None:
        if self.lost is not None:
            raise self.lost
        if names.queue() not in self.active_queues:
            super()._brpop_start(timeout)
            return
        if self._resting:
            return
        self._in_poll = connection = self.client.connection
        self._brpop_sent_at = time.monotonic()
        if not self._taking:  # moves the last message onto its own place: nothing is fetched
            connection.send_command(
                "BLMOVE", names.queue(), names.queue(), "RIGHT", "RIGHT", WAIT_S
            )
            return
        queues = self._queue_cycle.consume(len(self.active_queues))
        if self._in_a_row < MOST_IN_A_ROW:
            queues = sorted(queues, key=lambda name: name != names.queue())
        keys = [self._q_for_pri(name, step) for step in self.priority_steps for name in queues]
        self.taken = uuid4().hex
        keys += names.taken()
        connection.send_command("EVAL", scripts.TAKE, len(keys), *keys, self.taken)

    def _brpop_read(self, **options: Any) -> bool:
        if names.queue() not in self.active_queues:
            self.taken = ""
            return bool(super()._brpop_read(**options))
        try:
            found = self._answer()
            if not found:
                raise Empty
            self._hand_over(found[0], found[1])
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _answer(self) -> Any:
        """Return the queue and the message fetched; None if there was none, or it only blocked."""
        taking, self._taking = self._taking, True
        try:
            found = self.client.parse_response(self.client.connection, "EVAL")
        except _REFUSED:
            if taking:
                raise
            self._can_wait = False  # a Redis before 6.2, or a full one
            return None
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        if taking and not found:
            self._rest()
        return found if taking else None

    def _hand_over(self, key: bytes, raw: bytes) -> None:
        queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
        self._queue_cycle.rotate(queue)
        self._in_a_row = self._in_a_row + 1 if queue == names.queue() else 0
        payload = self._read(raw)
        if payload is not None:
            if payload["headers"].get("task") != RECOVER:
                self._quiet_since = time.monotonic()
            self.connection._deliver(payload, queue)  # noqa: SLF001  # as kombu does
        elif consumer.set_aside(raw):  # otherwise it is restored until that succeeds
            with self.conn_or_acquire() as client:
                taken, taken_at = names.taken()
                client.hdel(taken, self.taken)
                client.zrem(taken_at, self.taken)

    def _read(self, raw: bytes) -> Any:
        """Return the message as kombu expects it; None if malformed, which would end the worker."""
        try:
            payload = loads(bytes_to_str(raw))
            message = self.Message(payload, channel=self)
            whole = {"exchange", "routing_key"} <= message.delivery_info.keys()
            whole = whole and message.body is not None and isinstance(payload["headers"], dict)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
        return payload if whole else None

    def _rest(self) -> None:
        """Pause before the next poll.

        Soon after a message this uses the event loop's timer, because Redis itself is not exact:
        when idle, it ends a blocking command up to 100 ms late.
        """
        hub = get_event_loop()
        quiet = time.monotonic() - self._quiet_since
        pause = round(min(MOST_S, max(LEAST_S, quiet * SHARE)), 3)
        if self._can_wait and (hub is None or quiet > LONG_S):
            self._taking = False
        elif hub is None:
            time.sleep(pause)
        else:
            self._resting = True
            hub.call_later(pause, self._go_on)

    def _go_on(self) -> None:
        self._resting = False


def attach() -> None:
    """Make this process, a worker, fetch its messages this way."""
    transport: Any = redis.Transport
    transport.Channel = Channel
