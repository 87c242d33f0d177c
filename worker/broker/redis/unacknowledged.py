"""The messages that a worker on Redis has not acknowledged, and those of workers that died.

A worker lives as long as it renews a key, which expires; it is named by its channel, since what a
lost connection leaves behind cannot be acknowledged any more. Whatever is in the hands of a worker
that does not live goes back to its queue. A worker that was only paused goes on without it: its
messages had a name of their own in its hands, and whoever has them now has given them others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from kombu.transport import redis
from kombu.transport.virtual.base import QoS as VirtualQoS
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps

from tagsweep.worker.broker import names
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
            _unrestored.failed(f"Messages of dead workers cannot be restored: {error}")
        else:
            _unrestored.over()

    def _left_behind(self) -> list[str]:
        own, prefix = names.alive(self.channel.worker), names.alive("")
        keys = (own, self.unacked_index_key, *names.taken())
        patience = self.channel.visibility_timeout
        with self.channel.conn_or_acquire() as client:
            found = client.eval(scripts.KEEP_ALIVE, len(keys), *keys, LIFE_S, prefix, patience)
        return [bytes_to_str(name) for name in found]
