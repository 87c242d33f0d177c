"""Reliable fetch on Redis: a message stays stored there until its worker has registered it.

Celery's transport fetches messages by BRPOP: one that Redis hands to a worker killed at that moment
is lost. Here a script pops and stores it atomically. Redis' own clock decides when it is restored:
otherwise a worker whose clock is ahead would at once restore whatever all others are working on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.asynchronous import get_event_loop
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from tagsweep.worker.broker import names
from tagsweep.worker.broker.redis import channel, scripts
from tagsweep.worker.broker.redis.unacknowledged import QoS
from tagsweep.worker.broker.redis.watch import Watch
from tagsweep.worker.broker.runtime import consumer

log = logging.getLogger(__name__)

#: seconds between polls of the queues where Redis does not say when a message comes: minimum,
#: maximum, and share of the time without messages
LEAST_S, MOST_S, SHARE = 0.002, 0.05, 0.02
#: seconds after which a Redis that has said nothing is asked again: it may be gone
PROBE_S = 5
#: how many jobs are fetched before a sweep or a part: small ones take about a time slice together
MOST_IN_A_ROW = 20

_Channel: Any = channel.Channel  # it has no types


class Channel(_Channel):  # type: ignore[misc]
    """A channel to the queues with reliable fetch on those of jobs."""

    QoS = QoS
    _in_poll: Any  #: the connection on which something is awaited, or None
    lost: Exception | None = None  #: why this connection must be given up
    taken = ""  #: the key of the last message fetched; empty if it was not stored
    _watching = False  #: whether Redis is to say when a message comes
    _in_a_row = 0
    _resting = False
    _quiet_since = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.worker = uuid4().hex  #: names this worker for as long as this connection lasts
        self._watch = Watch()
        super().__init__(*args, **kwargs)

    def probe(self) -> None:
        """Ask a Redis that has said nothing for PROBE_S whether it is still there."""
        if not (self._watching and self._in_poll):
            return
        if time.monotonic() - self._brpop_sent_at < PROBE_S:
            return
        if self._watch.unanswered:
            log.warning(
                "Redis has not answered for %s seconds: its connection is dropped.", PROBE_S
            )
            self.client.connection.disconnect()
        else:
            self._begin_watch()

    def close(self) -> None:
        """Close the channel, without waiting for a message to come."""
        if self._watching:
            self._in_poll = None
        super().close()

    def _update_queue_cycle(self) -> None:
        super()._update_queue_cycle()
        if self._fetches_reliably:
            self.qos.keep_alive()
        if self._watching and self._in_poll:  # other queues are watched from now on
            self._watch.end(self.client.connection)
            self._watching, self._in_poll = False, None

    @property
    def _fetches_reliably(self) -> bool:
        return not set(names.queues()).isdisjoint(self.active_queues)

    def _brpop_start(self, timeout: float | None = None) -> None:
        if self.lost is not None:
            raise self.lost
        self._watching = False
        if not self._fetches_reliably:
            super()._brpop_start(timeout)
            return
        if self._resting:
            return
        self.qos.keep_alive()
        self._in_poll = connection = self.client.connection
        self._brpop_sent_at = time.monotonic()
        queues = self._queue_cycle.consume(len(self.active_queues))
        if self._in_a_row < MOST_IN_A_ROW:
            queues = sorted(queues, key=lambda name: name != names.queue())
        self.taken = f"{self.worker}/{uuid4().hex}"
        keys = [*self._keys(queues), *names.taken()]
        connection.send_command("EVAL", scripts.TAKE, len(keys), *keys, self.taken)

    def _keys(self, queues: Iterable[str]) -> list[str]:
        return [self._q_for_pri(name, step) for step in self.priority_steps for name in queues]

    def _brpop_read(self, **options: Any) -> bool:
        if self._watching:
            self._end_watch()
            raise Empty
        if not self._fetches_reliably:
            self.taken = ""
            return bool(super()._brpop_read(**options))
        try:
            found = self._answer()
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if not found:
            self._rest()
            raise Empty
        self._hand_over(found[0], found[1])
        return True

    def _answer(self) -> Any:
        """Return the queue and the message fetched; None if there was none."""
        try:
            return self.client.parse_response(self.client.connection, "EVAL")
        except self.connection_errors:
            self.client.connection.disconnect()
            raise

    def _begin_watch(self) -> None:
        connection = self.client.connection
        self._watching = self._watch.begin(connection, self._keys(self.active_queues))
        if self._watching:
            self._in_poll = connection
            self._brpop_sent_at = time.monotonic()

    def _end_watch(self) -> None:
        """Fetch again if Redis says that a message may be there."""
        if self._watch.has_noticed(self.client.connection):
            self._watching, self._in_poll = False, None
            self._flush_brpop_reauth()

    def _hand_over(self, key: bytes, raw: bytes) -> None:
        queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
        self._queue_cycle.rotate(queue)
        self._in_a_row = self._in_a_row + 1 if queue == names.queue() else 0
        payload = self._read(raw)
        if payload is not None:
            self._quiet_since = time.monotonic()
            payload["properties"]["delivery_tag"] = self.taken
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
        """Wait until Redis says that a message has come; if it does not say so, for a moment."""
        self._begin_watch()
        if self._watching:
            return
        hub = get_event_loop()
        quiet = time.monotonic() - self._quiet_since
        pause = round(min(MOST_S, max(LEAST_S, quiet * SHARE)), 3)
        if hub is None:
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
