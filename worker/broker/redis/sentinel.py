"""Redis behind sentinels: messages are kept as with a single Redis, on whichever is the master."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

from tagsweep.worker.broker.redis import transport as custody

_Channel: Any = redis.SentinelChannel  # it has no types


class Channel(custody.Channel, _Channel):  # type: ignore[misc]
    """The way to the queues of the master that the sentinels name."""


def attach() -> None:
    """Let this process, a worker, take its messages so."""
    transport: Any = redis.SentinelTransport
    transport.Channel = Channel
