"""kombu's channel to Redis, with a single client, and working even if Redis is full.

At `maxmemory` Redis refuses every command of a MULTI, even one that only reads or frees memory.
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
    """A channel to queues on Redis."""

    _sender: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  # kombu's
        """Return the one client for all commands.

        Kombu creates one for each command, which takes longer than the command itself.
        """
        if asynchronous:
            return super()._create_client(asynchronous)
        if self._sender is None or self._sender.connection_pool is not self.pool:
            self._sender = super()._create_client()
        return self._sender

    def _queue_bind(self, *args: Any) -> None:
        """Record a queue's binding; a full Redis refuses that, and is consumed from all the same.

        Jobs are sent to a queue by its name and broadcasts use PUBLISH: neither needs a binding.
        """
        try:
            super()._queue_bind(*args)
        except _REFUSED as error:
            if error_replies.code_of(error) != "OOM":
                raise

    def maybe_refresh_binding_expiry(self) -> None:
        """Refresh the bindings of expiring queues; a refusal is ignored.

        Kombu would log a warning every second, and any lasting refusal is reported elsewhere.
        """
        try:
            super().maybe_refresh_binding_expiry()
        except _REFUSED as error:
            log.debug("Bindings are not refreshed: %s", error)

    def _size(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for step in self.priority_steps:
                pipe.llen(self._q_for_pri(queue, step))
            return sum(pipe.execute())
