"""The AMQP topic exchange of completion events."""

from __future__ import annotations

import os
from functools import cache

import kombu
from amqp.exceptions import AMQPError
from kombu.exceptions import OperationalError

from worker import settings
from worker.errors import BrokerUnavailable
from worker.models.events import EXCHANGE
from worker.settings import masked

_ERRORS: tuple[type[Exception], ...] = (OperationalError, OSError, AMQPError)
_EXCHANGE = kombu.Exchange(EXCHANGE, type="topic", durable=True, delivery_mode="persistent")


@cache
def _events_producer(url: str) -> kombu.Producer:
    connection = kombu.Connection(
        url,
        connect_timeout=settings.load().connect_timeout_s,
        transport_options={"confirm_publish": True},
    )
    return kombu.Producer(connection.default_channel, _EXCHANGE)


def publish(url: str, routing_key: str, event: str) -> None:
    """Publish ``event``, a JSON text, to the topic exchange of the AMQP broker at ``url``.

    Returns once the broker has confirmed it; raises BrokerUnavailable.
    """
    try:
        producer = _events_producer(url)
        producer.publish(
            event.encode(),
            routing_key=routing_key,
            content_type="application/cloudevents+json",
            content_encoding="utf-8",
            declare=[_EXCHANGE],
        )
    except _ERRORS as error:
        _events_producer.cache_clear()
        raise BrokerUnavailable(f"Events cannot be published to {masked(url)}: {error}") from error


# a forked child must not share its parent's connection
os.register_at_fork(after_in_child=_events_producer.cache_clear)
