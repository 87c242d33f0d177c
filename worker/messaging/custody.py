"""Redis: a message on its way to a worker is kept there till the worker has noted that it has it.

Celery's transport takes messages by BRPOP: what Redis hands to a worker that is killed at that
moment is in nobody's hands, and lost. Here a script takes it and writes it down in one step. And
when it comes back, the clock of Redis decides: by its own, a worker whose clock is ahead would
bring back at once whatever all others are working on.
"""

from __future__ import annotations

import time
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.asynchronous import get_event_loop
from kombu.transport import redis
from kombu.transport.virtual.base import QoS as VirtualQoS
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from worker.messaging import strays
from worker.models.jobs import QUEUE

TAKEN, TAKEN_AT = "tagsweep.taken", "tagsweep.taken_at"
#: seconds between two looks at the queues: at least, at most, as a share of how long all was quiet
LEAST_S, MOST_S, SHARE = 0.002, 0.05, 0.02
#: after so many quiet seconds Redis is asked to tell of a job, so many seconds at a time: a sweep,
#: or a part, which does not end that wait, is seen at its end
LONG_S, WAIT_S = 2, 0.1
#: so many jobs are taken before a sweep or a part gets its turn: small ones take about a time slice
MOST_IN_A_ROW = 20
#: what comes every few seconds, though all is quiet
RECOVER = "tags.recover"

_NOW = "local clock = redis.call('TIME') local now = clock[1] + clock[2] / 1000000 "
_TAKE = f"""{_NOW}
for at = 1, #KEYS - 2 do
    local message = redis.call('RPOP', KEYS[at])
    if message then
        redis.call('HSET', KEYS[#KEYS - 1], ARGV[1], KEYS[at] .. '\\n' .. message)
        redis.call('ZADD', KEYS[#KEYS], now, ARGV[1])
        return {{KEYS[at], message}}
    end
end
return false
"""
# what kombu keeps is [message, exchange, routing key]: made here, the message does not travel back
_NOTE = f"""{_NOW}
local kept = redis.call('HGET', KEYS[3], ARGV[2])
if kept then
    local message = string.sub(kept, string.find(kept, '\\n', 1, true) + 1)
    redis.call('HSET', KEYS[1], ARGV[1], '[' .. message .. ',' .. ARGV[3] .. ']')
    redis.call('ZADD', KEYS[2], now, ARGV[1])
    redis.call('HDEL', KEYS[3], ARGV[2])
    redis.call('ZREM', KEYS[4], ARGV[2])
end
"""
_BRING_BACK = f"""{_NOW}
for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[1])) do
    local kept = redis.call('HGET', KEYS[1], tag)
    if kept then
        local at = string.find(kept, '\\n', 1, true)
        redis.call('RPUSH', string.sub(kept, 1, at - 1), string.sub(kept, at + 1))
    end
    redis.call('HDEL', KEYS[1], tag)
    redis.call('ZREM', KEYS[2], tag)
end
"""


# neither has types
_QoS: Any = redis.QoS
_Channel: Any = redis.Channel


class QoS(_QoS):  # type: ignore[misc]
    """What this worker has in hand."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note that the message is in hand: from here on, Celery's own keeping has it."""
        if not self.channel.taken:
            super().append(message, delivery_tag)
            return
        info = message.delivery_info
        address = dumps([info["exchange"], info["routing_key"]])[1:-1]
        keys = (self.unacked_key, self.unacked_index_key, TAKEN, TAKEN_AT)
        with self.channel.conn_or_acquire() as client:
            client.eval(_NOTE, len(keys), *keys, delivery_tag, self.channel.taken, address)
        VirtualQoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; one whose connection is gone comes back by itself.

        What was done while the broker went away is acknowledged after that; kombu would fail on
        the missing connection, and take the worker with it.
        """
        if self._is_connected():
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's
        """Give a message back, or let it go; where its connection is gone, as in ``ack``."""
        if self._is_connected():
            super().reject(delivery_tag, requeue=requeue)

    def _is_connected(self) -> bool:
        """Tell whether neither channel nor connection were closed, the one without the other."""
        transport = self.channel.connection
        return transport is not None and transport.client is not None

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Bring back what workers had in hand, or nearly, that have died."""
        patience = self.channel.visibility_timeout
        with self.channel.conn_or_acquire() as client:
            seconds, microseconds = client.time()
            client.eval(_BRING_BACK, 2, TAKEN, TAKEN_AT, patience)
        # compared with this process's clock
        ahead = time.time() - (seconds + microseconds / 1e6)
        self.visibility_timeout = patience + ahead
        super().restore_visible(*args, **kwargs)


class Channel(_Channel):  # type: ignore[misc]
    """The way to the queues; where jobs come in, no message leaves Redis unnoted."""

    QoS = QoS
    taken = ""  #: under which name the last message was kept; none: it was not
    _taking = True  # else it waits
    _in_a_row = 0
    _can_wait = True
    _resting = False
    _sender: Any = None
    _quiet_since = 0.0

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  # kombu's
        """Return one client for all commands.

        Kombu makes one for each, which takes longer than the command.
        """
        if asynchronous:
            return super()._create_client(asynchronous)
        if self._sender is None or self._sender.connection_pool is not self.pool:
            self._sender = super()._create_client()
        return self._sender

    def _brpop_start(self, timeout: float | None = None) -> None:
        if QUEUE not in self.active_queues:
            super()._brpop_start(timeout)
            return
        if self._resting:
            return
        self._in_poll = connection = self.client.connection
        self._brpop_sent_at = time.monotonic()
        if not self._taking:  # the last message is moved to where it is: nothing is in our hands
            connection.send_command("BLMOVE", QUEUE, QUEUE, "RIGHT", "RIGHT", WAIT_S)
            return
        queues = self._queue_cycle.consume(len(self.active_queues))
        if self._in_a_row < MOST_IN_A_ROW:
            queues = sorted(queues, key=lambda name: name != QUEUE)
        keys = [self._q_for_pri(name, step) for step in self.priority_steps for name in queues]
        self.taken = uuid4().hex
        keys += [TAKEN, TAKEN_AT]
        connection.send_command("EVAL", _TAKE, len(keys), *keys, self.taken)

    def _brpop_read(self, **options: Any) -> bool:
        if QUEUE not in self.active_queues:
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
        """Return queue and message that were taken; nothing where none was, or was to be."""
        taking, self._taking = self._taking, True
        try:
            found = self.client.parse_response(self.client.connection, "EVAL")
        except self.connection.channel_errors:
            if taking:
                raise
            self._can_wait = False  # a Redis before 6.2
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
        self._in_a_row = self._in_a_row + 1 if queue == QUEUE else 0
        payload = self._read(raw)
        if payload is not None:
            if payload["headers"].get("task") != RECOVER:
                self._quiet_since = time.monotonic()
            self.connection._deliver(payload, queue)  # noqa: SLF001  # as kombu does
        elif strays.set_aside(raw):  # or it comes back, till it can be
            with self.conn_or_acquire() as client:
                client.hdel(TAKEN, self.taken)
                client.zrem(TAKEN_AT, self.taken)

    def _read(self, raw: bytes) -> Any:
        """Return the message as kombu takes it; None where it would end the worker."""
        try:
            payload = loads(bytes_to_str(raw))
            message = self.Message(payload, channel=self)
            whole = {"exchange", "routing_key"} <= message.delivery_info.keys()
            whole = whole and message.body is not None and isinstance(payload["headers"], dict)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
        return payload if whole else None

    def _rest(self) -> None:
        """Let a while pass till the next look.

        Soon after the last message by the event loop's timer, for Redis itself is not exact: idle,
        it ends such a wait up to 100 ms late.
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
    """Let this process, a worker, take its messages so."""
    transport: Any = redis.Transport
    transport.Channel = Channel
