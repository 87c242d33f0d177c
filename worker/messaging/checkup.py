"""What the broker tells of itself over its own protocol, and which workers answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from worker.messaging.app import app
from worker.messaging.broker import unavailable
from worker.models.jobs import QUEUE

#: how long workers, or an alarm of the broker's, may take to be heard
PATIENCE_S = 1.5


def workers() -> list[str]:
    """Return the names of the workers that answer; raises BrokerUnavailable."""
    with unavailable(app()):
        replies: Any = app().control.ping(timeout=PATIENCE_S)
    return sorted(name for reply in replies for name in reply)


def waiting() -> int:
    """Return how many messages wait for a worker; raises BrokerUnavailable."""
    with unavailable(app()), app().connection_for_read() as connection:
        channel: Any = connection.default_channel
        try:
            return int(channel.queue_declare(QUEUE, passive=True).message_count)
        except connection.channel_errors:  # no worker has ever been here
            return 0


def blocked() -> str | None:
    """Return why an AMQP broker takes no more messages; None where it takes them.

    It says so to a connection that publishes: here, a message that no queue takes. Raises
    BrokerUnavailable.
    """
    reasons: list[str] = []
    with unavailable(app()), app().connection_for_write() as connection:
        channel: Any = connection.channel()
        channel.connection.on_blocked = reasons.append
        producer = connection.Producer(channel)
        with suppress(TimeoutError):
            producer.publish("", routing_key="tagsweep.nobody", retry=False, timeout=PATIENCE_S)
            connection.drain_events(timeout=PATIENCE_S)
    return reasons[0] if reasons else None
