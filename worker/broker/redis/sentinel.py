"""Reliable fetch behind Redis Sentinel, on whichever server is the master."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

from tagsweep.worker.broker.redis import transport

_Channel: Any = redis.SentinelChannel  # it has no types


class Channel(transport.Channel, _Channel):  # type: ignore[misc]
    """A channel to the queues on the master that the sentinels name."""


def attach() -> None:
    """Make this process, a worker, use this channel."""
    sentinel_transport: Any = redis.SentinelTransport
    sentinel_transport.Channel = Channel
