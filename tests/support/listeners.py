"""Whoever hears the completion events that are published: on a Redis stream, or on AMQP."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import kombu
import redis

from tests.support.wire import EXCHANGE, STREAM


class RedisEvents:
    """The entries of the stream."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def all(self) -> list[dict[str, Any]]:
        """Return every event that was published."""
        entries: Any = self._client.xrange(STREAM)
        return [json.loads(fields[b"data"]) for _, fields in entries]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class AmqpEvents:
    """A queue bound to the exchange from the start; what came is kept."""

    def __init__(self, url: str) -> None:
        self._connection = kombu.Connection(url)
        exchange = kombu.Exchange(EXCHANGE, type="topic", durable=True)
        queue = kombu.Queue(f"events-{uuid4().hex}", exchange, "#", exclusive=True)
        self._queue = queue(self._connection.default_channel)
        self._queue.declare()
        self._seen: list[dict[str, Any]] = []

    def all(self) -> list[dict[str, Any]]:
        """Return every event that was published since."""
        while message := self._queue.get(no_ack=True):
            self._seen.append(json.loads(str(message.body)))
        return self._seen

    def close(self) -> None:
        """Close the connection, and with it the queue."""
        self._connection.close()
