"""Reliable fetch on Redis: a message stays stored there until its worker has registered it.

Celery's transport fetches messages by BRPOP: one that Redis hands to a worker killed at that moment
is lost. Here a script pops and stores it atomically. Redis' own clock decides when it is restored:
otherwise a worker whose clock is ahead would at once restore whatever all others are working on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.asynchronous import get_event_loop
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str

from tagsweep.worker.broker import batching, names
from tagsweep.worker.broker.redis import channel, fetched_messages, scripts
from tagsweep.worker.broker.redis.unacknowledged import QoS
from tagsweep.worker.broker.redis.watch import Watch
from tagsweep.worker.broker.runtime import consumer

log = logging.getLogger(__name__)

#: seconds between polls of the queues where Redis does not say when a message comes: minimum,
#: maximum, and share of the time without messages
LEAST_S, MOST_S, SHARE = 0.002, 0.05, 0.02
#: seconds after which a Redis that has said nothing is asked again: it may be gone
PROBE_S = 5
#: seconds that a message which is alone has to reach a pool process before more are asked for: the
#: event loop would write to it after it has read what Redis answers
HANDED_S = 0.0005
#: how many times jobs are fetched before a sweep or a part: small ones take about a time slice
MOST_IN_A_ROW = 20
#: a message that is fetched together with others takes about so much of the time of one alone
SHARE_OF_ONE = 1 / 8
#: workers that may look for jobs at the same moment: none fetches more than its part of them
TAKERS = 4

_Channel: Any = channel.Channel  # it has no types


class Channel(_Channel):  # type: ignore[misc]
    """A channel to the queues with reliable fetch on those of jobs."""

    QoS = QoS
    _in_poll: Any  #: the connection on which something is awaited, or None
    lost: Exception | None = None  #: why this connection must be given up
    _taken = ""  # under which name the last messages fetched are stored
    _watching = False  #: whether Redis is to say when a message comes
    _most = 1  # how many messages are fetched at once
    _in_a_row = 0.0
    _resting = False
    _quiet_since = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.worker = uuid4().hex  #: names this worker for as long as this connection lasts
        self._watch = Watch()
        self._receivers: dict[str, Callable[[Any], object]] = {}
        super().__init__(*args, **kwargs)

    def basic_consume(self, queue: str, *args: Any, callback: Any = None, **kwargs: Any) -> Any:
        """Consume from a queue."""
        self._receivers[queue] = callback
        return super().basic_consume(queue, *args, callback=callback, **kwargs)

    def basic_cancel(self, consumer_tag: str) -> Any:
        """Consume no longer."""
        self._receivers.pop(self._tag_to_queue.get(consumer_tag, ""), None)
        return super().basic_cancel(consumer_tag)

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
        self.qos.noted()
        self.qos.keep_alive()
        self._in_poll = connection = self.client.connection
        self._brpop_sent_at = time.monotonic()
        queues = self._queue_cycle.consume(len(self.active_queues))
        if self._in_a_row < MOST_IN_A_ROW:
            queues = sorted(queues, key=lambda name: name != names.queue())
        self._taken = f"{self.worker}/{uuid4().hex}"
        keys = [*self._keys(queues), *names.taken()]
        limits = (names.queue(), self._most, TAKERS, batching.MAX_BYTES)
        connection.send_command("EVAL", scripts.TAKE, len(keys), *keys, self._taken, *limits)

    def _keys(self, queues: Iterable[str]) -> list[str]:
        return [self._q_for_pri(name, step) for step in self.priority_steps for name in queues]

    def _brpop_read(self, **options: Any) -> bool:
        if self._watching:
            self._end_watch()
            raise Empty
        if not self._fetches_reliably:
            return bool(super()._brpop_read(**options))
        if self._resting:
            self._watch.read_unasked(self.client.connection)
            raise Empty
        try:
            found = self._answer()
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if not found:
            self._rest()
            raise Empty
        self._hand_over(*found)
        return True

    def _answer(self) -> Any:
        """Return the queue and the messages fetched; None if there was none."""
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

    def _hand_over(self, key: bytes, *fetched: bytes) -> None:
        """Register the messages fetched and hand them over; give back what another could take."""
        queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
        self._queue_cycle.rotate(queue)
        read: list[Any] = []
        for place, raw in enumerate(fetched, 1):
            name = f"{self._taken}:{place}"
            message = fetched_messages.read(self, raw, name)
            if message is None:
                self._set_aside(name, raw)
            else:
                read.append(message)
        taken = fetched_messages.together(read) if queue in self._receivers else []
        given_back = [message for message in read if message not in taken]
        if read:
            self.qos.note(taken, given_back)
        self._count(queue, taken, len(given_back))
        for message in taken:
            self._receivers[queue](message)
        hub = get_event_loop()
        if len(taken) == 1 and hub is not None:
            self._pause(hub, HANDED_S)

    def _count(self, queue: str, taken: Sequence[Any], given_back: int) -> None:
        """Note what was fetched, for what is fetched next."""
        cost = 1 + (len(taken) - 1) * SHARE_OF_ONE
        self._in_a_row = self._in_a_row + cost if queue == names.queue() else 0
        most = batching.most_at_once(self.qos.prefetch_count)
        self._most = 1 if given_back else min(most, 2 * self._most)
        self._quiet_since = time.monotonic()

    def _set_aside(self, name: str, raw: bytes) -> None:
        if not consumer.set_aside(raw):
            return  # it is restored until that succeeds
        with self.conn_or_acquire() as client:
            taken, taken_at = names.taken()
            client.hdel(taken, name)
            client.zrem(taken_at, name)

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
            self._pause(hub, pause)

    def _pause(self, hub: Any, seconds: float) -> None:
        self._resting = True
        hub.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._resting = False


def attach() -> None:
    """Make this process, a worker, fetch its messages this way."""
    transport: Any = redis.Transport
    transport.Channel = Channel
