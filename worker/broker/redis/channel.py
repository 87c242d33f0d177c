"""kombu's channel to Redis: with one client, and at work also where Redis is full.

At `maxmemory` Redis refuses each command of a MULTI, also one that would only read or free memory.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis

from tagsweep.worker.broker import error_replies

log = logging.getLogger(__name__)

_REFUSED = redis.get_redis_error_classes().channel_errors
_Channel: Any = redis.Channel  # it has no types


class Channel(_Channel):  # type: ignore[misc]
    """A way to queues on Redis."""

    _sender: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  # kombu's
        """Return one client for all commands.

        Kombu makes one for each, which takes longer than the command.
        """
        if asynchronous:
            return super()._create_client(asynchronous)
        if self._sender is None or self._sender.connection_pool is not self.pool:
            self._sender = super()._create_client()
        return self._sender

    def _queue_bind(self, *args: Any) -> None:
        """Note that a queue is bound; a full Redis, which refuses that, is worked off all the same.

        Jobs go to their queue by its name, and what is told to all by PUBLISH: neither looks it up.
        """
        try:
            super()._queue_bind(*args)
        except _REFUSED as error:
            if error_replies.code_of(error) != "OOM":
                raise

    def maybe_refresh_binding_expiry(self) -> None:
        """Keep what is written down of expiring queues; where that is refused, it can wait.

        Kombu would warn of it every second; whatever else is refused is told.
        """
        try:
            super().maybe_refresh_binding_expiry()
        except _REFUSED as error:
            log.debug("Bindings are not kept up: %s", error)

    def _size(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for step in self.priority_steps:
                pipe.llen(self._q_for_pri(queue, step))
            return sum(pipe.execute())
