"""Takes messages from Redis as a worker does, without being one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import kombu
import pytest

from tests.support.wire import PARTS, QUEUE, SWEEPS


class Taker:
    """Takes messages as a worker does, one at a time, and notes what it took."""

    def __init__(self, url: str, names: Iterable[str] = (QUEUE, SWEEPS, PARTS)) -> None:
        self.taken: list[str] = []
        self.connection = kombu.Connection(url)
        queues = [kombu.Queue(name, kombu.Exchange(name), name) for name in names]
        self.consumer = self.connection.Consumer(queues, callbacks=[self._take])
        self.consumer.qos(prefetch_count=1)
        self.consumer.consume()

    def _take(self, body: str, message: kombu.Message) -> None:
        self.taken.append(body)
        message.ack()

    def take(self, how_many: int) -> list[str]:
        """Take so many messages, and return what was in them."""
        while len(self.taken) < how_many:
            self.connection.drain_events(timeout=10)
        return self.taken

    def come_to_rest(self) -> None:
        """Wait until Redis has answered that nothing waits, and says when something comes."""
        channel: Any = self.consumer.channel
        while not channel._watching or channel._watch.unanswered:
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=0.01)

    def wait_for_nothing(self, seconds: float) -> None:
        """Wait for a message that does not come."""
        with pytest.raises(TimeoutError):
            self.connection.drain_events(timeout=seconds)

    def put(self, queue: str, body: str, priority: int = 0) -> None:
        """Send a message."""
        with self.connection.Producer() as producer:
            producer.publish(
                body, routing_key=queue, exchange=queue, priority=priority, headers={"task": "t"}
            )
