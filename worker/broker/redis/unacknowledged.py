"""The messages that a worker on Redis has not acknowledged, and those of workers that died."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from kombu.transport import redis
from kombu.transport.virtual.base import QoS as VirtualQoS
from kombu.utils.json import dumps

from tagsweep.worker.broker import names
from tagsweep.worker.broker.redis import scripts
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

_LOST, _REFUSED = redis.get_redis_error_classes()

_unrestored = Outage(log, "Messages of dead workers are restored again")

_QoS: Any = redis.QoS  # it has no types


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
        self.channel.probe()
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
