"""The messages that a worker on Redis has not acknowledged, and those of workers that died.

A worker lives as long as it renews a key, which expires; it is named by its channel, since what a
lost connection leaves behind cannot be acknowledged any more. Whatever is in the hands of a worker
that does not live goes back to its queue. A worker that was only paused goes on without it: its
messages had a name of their own in its hands, and whoever has them now has given them others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from kombu.transport import redis
from kombu.transport.virtual.base import QoS as VirtualQoS
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps

from tagsweep.worker.broker import error_replies, names, sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.broker.redis import scripts
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

_LOST, _REFUSED = redis.get_redis_error_classes()

#: seconds between renewals; and for how long a worker lives after one
RENEW_S, LIFE_S = 2.5, 6

_unrestored = Outage(log, "Messages of dead workers are restored again")

_QoS: Any = redis.QoS  # it has no types


class QoS(_QoS):  # type: ignore[misc]
    """The messages that this worker has not acknowledged."""

    _renew_at = 0.0  #: by the monotonic clock

    _gathered: list[str] | None = None  #: what is to be acknowledged at once
    _noting: Any = None  #: the connection on which Redis has not answered a note yet

    def can_consume(self) -> bool:
        """Return whether a pool process has nothing to do: one call of it may have many messages.

        All of these but one are marked ``accompanies``.
        """
        if not self.prefetch_count:
            return True
        in_hand = (
            not getattr(message, "accompanies", False)
            for tag, message in self._delivered.items()
            if tag not in self._dirty
        )
        return sum(in_hand) < int(self.prefetch_count)

    def note(self, taken: Sequence[Any], given_back: Sequence[Any]) -> None:
        """Register messages, and give others back, to where they were.

        Once Redis has ``noted`` them they are in Celery's own unacknowledged set, and until then
        where they were taken: what is to be done begins meanwhile.
        """
        addresses = [(message.delivery_tag, _address(message)) for message in taken]
        addresses += [(message.delivery_tag, "") for message in given_back]
        keys = (self.unacked_key, self.unacked_index_key, *names.taken())
        arguments = [one for entry in addresses for one in entry]
        self.noted()
        connection = self._noting = self.channel.pool.get_connection()
        try:
            connection.send_command("EVAL", scripts.NOTE, len(keys), *keys, *arguments)
        except BaseException:
            self._forget_note()
            raise
        for message in taken:
            VirtualQoS.append(self, message, message.delivery_tag)

    def noted(self) -> None:
        """Return once Redis has noted what it was told to; raises what it answers."""
        if self._noting is None:
            return
        try:
            self._noting.read_response()
        except _REFUSED:
            self._forget_note(lost=False)
            raise
        except BaseException:
            self._forget_note()
            raise
        self._forget_note(lost=False)

    def _forget_note(self, *, lost: bool = True) -> None:
        connection, self._noting = self._noting, None
        if lost:
            connection.disconnect()
        self.channel.pool.release(connection)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Acknowledge what is acknowledged in the block by one command, at its end."""
        gathered: list[str] = []
        self._gathered = gathered
        try:
            yield
        finally:
            self._gathered = None
            if gathered:
                self._settle(gathered, partial(self._ack_all, gathered))

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; one whose connection is gone is restored later."""
        if self._gathered is not None:
            self._gathered.append(delivery_tag)
            return
        self._settle([delivery_tag], partial(super().ack, delivery_tag))

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's
        """Requeue or drop a message; one whose connection is gone is restored later."""
        self._settle([delivery_tag], partial(super().reject, delivery_tag, requeue=requeue))

    def _ack_all(self, tags: Sequence[str]) -> None:
        with self.channel.conn_or_acquire() as client:
            pipe = client.pipeline(transaction=False)
            pipe.hdel(self.unacked_key, *tags).zrem(self.unacked_index_key, *tags).execute()
        for tag in tags:
            VirtualQoS.ack(self, tag)

    def _settle(self, tags: Sequence[str], step: Callable[[], object]) -> None:
        """Run ``step`` on unacknowledged messages; if it fails, give up the connection.

        Kombu would continue and count the messages as unacknowledged for ever, and on a missing
        connection end the worker.
        """
        transport = self.channel.connection
        if transport is None or transport.client is None:  # either may be closed first
            return
        try:
            self.noted()  # what it has not noted yet, it would note after all
            step()
        except (*_LOST, *_REFUSED) as error:
            for tag in tags:
                VirtualQoS.ack(self, tag)
            self.channel.lost = error

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        """Queue the removal of a message; without MULTI, which a full Redis refuses.

        In this order a half-done removal is harmless: an entry of the index without a message.
        """
        if pipe is None:
            with self.channel.conn_or_acquire() as client:
                pipe = client.pipeline(transaction=False)
        return pipe.hdel(self.unacked_key, delivery_tag).zrem(self.unacked_index_key, delivery_tag)

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Show that this worker lives, and requeue what is left behind by those that do not."""
        self.channel.probe()
        self.keep_alive()

    def keep_alive(self) -> None:
        """Do so, unless it was done a moment ago."""
        if time.monotonic() < self._renew_at:
            return
        self._renew_at = time.monotonic() + RENEW_S
        try:
            for delivery_tag in self._left_behind():
                self.restore_by_tag(delivery_tag)
        except _REFUSED as error:
            told = error_replies.raised(sending.server(app()), error)
            _unrestored.failed(f"Messages of dead workers cannot be restored. {told}")
        else:
            _unrestored.over()

    def _left_behind(self) -> list[str]:
        own, prefix = names.alive(self.channel.worker), names.alive("")
        keys = (own, self.unacked_index_key, *names.taken())
        patience = self.channel.visibility_timeout
        with self.channel.conn_or_acquire() as client:
            found = client.eval(scripts.KEEP_ALIVE, len(keys), *keys, LIFE_S, prefix, patience)
        return [bytes_to_str(name) for name in found]


def _address(message: Any) -> str:
    info = message.delivery_info
    return str(dumps([info["exchange"], info["routing_key"]])[1:-1])
