"""What the broker tells of itself over its own protocol, and which workers answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import kombu

from worker import settings
from worker.messaging.app import PARTS, app
from worker.messaging.broker import depth, server, unavailable
from worker.models.jobs import QUEUE

#: how long workers, or an alarm of the broker's, may take to be heard
PATIENCE_S = 1.5


def workers() -> list[str]:
    """Return the names of the workers that answer; raises BrokerUnavailable."""
    with unavailable(server(app())):
        replies: Any = app().control.ping(timeout=PATIENCE_S)
    return sorted(name for reply in replies for name in reply)


def waiting() -> int:
    """Return how many messages wait for a worker; raises BrokerUnavailable."""
    with unavailable(server(app())), app().connection_for_read() as connection:
        link: Any = connection  # the stubs know no channels
        return sum(depth(link, link.channel(), name) for name in (QUEUE, PARTS))


def blocked() -> str | None:
    """Return why an AMQP broker takes no more messages; None where it takes them.

    It says so to a connection that publishes: here, a message that no queue takes. Raises
    BrokerUnavailable.
    """
    reasons: list[str] = []
    config = settings.load()
    # not the app's: with confirmations a publish would wait till the alarm is over
    link = kombu.Connection(config.broker_url, connect_timeout=config.connect_timeout_s)
    with unavailable(server(app())):
        raw: Any = link.connection
        raw.on_blocked = reasons.append
        try:
            link.Producer().publish("", routing_key="tagsweep.nobody")
            with suppress(TimeoutError):
                link.drain_events(timeout=PATIENCE_S)
        finally:
            raw.collect()  # a broker that is blocked does not answer to a proper good-bye
    return reasons[0] if reasons else None
