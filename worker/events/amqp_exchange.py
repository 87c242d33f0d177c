"""The AMQP topic exchange of completion events."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import kombu

from tagsweep.worker import settings
from tagsweep.worker.broker import error_replies, names
from tagsweep.worker.broker.amqp import probe
from tagsweep.worker.broker.amqp.transport import ERRORS, Link, confirmed_together
from tagsweep.worker.broker.app import SILENT_S
from tagsweep.worker.broker.error_replies import Server


def _exchange() -> kombu.Exchange:
    return kombu.Exchange(names.exchange(), type="topic", durable=True, delivery_mode="persistent")


def _server(url: str) -> Server:
    variable = "TAGSWEEP_EVENTS_URL" if settings.load().events_url else "TAGSWEEP_BROKER_URL"
    return Server("event stream", variable, url)


class _Publisher:
    """Publishes on a connection of its own, one thread at a time: no connection bears two."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._producer: kombu.Producer | None = None

    def publish(self, events: Sequence[str]) -> None:
        """Publish events; raises BrokerUnavailable, when some may have been published."""
        with self._lock:
            try:
                producer = self._opened()
                with confirmed_together(producer.channel, SILENT_S):
                    for event in events:
                        _publish(producer, event)
            except ERRORS as error:
                self._drop()
                raise error_replies.raised(_server(self._url), error) from error

    def _opened(self) -> kombu.Producer:
        if self._producer is None:
            self._producer = kombu.Producer(self._connected().default_channel, _exchange())
        return self._producer

    def _connected(self) -> Link:
        return Link(
            self._url,
            connect_timeout=settings.load().connect_timeout_s,
            transport_options={"confirm_publish": True},
        )

    def _drop(self) -> None:
        """Close a broken connection at once; the next event opens another."""
        producer: Any = self._producer
        self._producer = None
        if producer is not None:
            with suppress(Exception):  # it is broken
                producer.connection.collect()


def _publish(producer: kombu.Producer, event: str) -> None:
    producer.publish(
        event.encode(),
        routing_key=json.loads(event)["type"],
        content_type="application/cloudevents+json",
        content_encoding="utf-8",
        declare=[_exchange()],
    )


_publishers: dict[str, _Publisher] = {}  #: by the broker's URL


def publish(url: str, events: Sequence[str]) -> None:
    """Publish ``events``, JSON texts, to the topic exchange of the AMQP broker at ``url``.

    The routing key of each is its type. Returns once the broker has confirmed them all; raises
    BrokerUnavailable, when some of them may have been published.
    """
    _publishers.setdefault(url, _Publisher(url)).publish(events)


def check(url: str) -> None:
    """Raise BrokerUnavailable if the AMQP broker at ``url`` takes no messages."""
    probe.probe(_server(url))


def follow(url: str) -> Iterator[str | None]:
    """Yield the events published from now on; None every second in which there is none.

    Raises BrokerUnavailable: events published before the next call are not seen.
    """
    timeout = settings.load().connect_timeout_s
    try:
        with Link(url, connect_timeout=timeout, heartbeat=10) as connection:
            yield from _drained(connection)
    except ERRORS as error:
        raise error_replies.raised(_server(url), error) from error


def _drained(connection: kombu.Connection) -> Iterator[str | None]:
    received: list[str] = []

    def take(message: kombu.Message) -> None:
        body: Any = message.body  # the stubs know text alone
        received.append(body.decode() if isinstance(body, bytes) else str(body))

    # the broker removes it with the connection
    queue = kombu.Queue(exchange=_exchange(), routing_key="#", exclusive=True, auto_delete=True)
    with kombu.Consumer(connection, [queue], on_message=take, no_ack=True):
        yield None
        while True:
            with suppress(TimeoutError):
                connection.drain_events(timeout=1)
            connection.heartbeat_check()
            if not received:
                yield None
            while received:
                yield received.pop(0)


# a forked child must not share its parent's connection
os.register_at_fork(after_in_child=_publishers.clear)
