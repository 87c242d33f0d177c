"""The AMQP topic exchange of completion events."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import kombu
from amqp.exceptions import AMQPError, MessageNacked, NotFound
from kombu.exceptions import KombuError

from worker import error_replies, names, settings
from worker.error_replies import Server
from worker.messaging.app import SILENT_S
from worker.messaging.link import Link

_ERRORS: tuple[type[Exception], ...] = (KombuError, OSError, AMQPError, MessageNacked)
#: how long a broker may take to confirm a message to nobody
PROBE_S = 1.0


def _exchange() -> kombu.Exchange:
    return kombu.Exchange(names.exchange(), type="topic", durable=True, delivery_mode="persistent")


#: one connection a broker, kept
_producers: dict[str, kombu.Producer] = {}


def _server(url: str) -> Server:
    variable = "TAGSWEEP_EVENTS_URL" if settings.load().events_url else "TAGSWEEP_BROKER_URL"
    return Server("event stream", variable, url)


def _producer(url: str) -> kombu.Producer:
    if url not in _producers:
        connection = Link(
            url,
            connect_timeout=settings.load().connect_timeout_s,
            transport_options={"confirm_publish": True},
        )
        _producers[url] = kombu.Producer(connection.default_channel, _exchange())
    return _producers[url]


def publish(url: str, routing_key: str, event: str) -> None:
    """Publish ``event``, a JSON text, to the topic exchange of the AMQP broker at ``url``.

    Returns once the broker has confirmed it; raises BrokerUnavailable.
    """
    try:
        _producer(url).publish(
            event.encode(),
            routing_key=routing_key,
            content_type="application/cloudevents+json",
            content_encoding="utf-8",
            declare=[_exchange()],
            confirm_timeout=SILENT_S,
        )
    except _ERRORS as error:
        _drop(url)
        raise error_replies.raised(_server(url), error) from error


def _drop(url: str) -> None:
    """Let go of a broken connection, at once: the next event opens another."""
    producer: Any = _producers.pop(url, None)
    if producer is not None:
        with suppress(Exception):  # it is broken
            producer.connection.collect()


class _Alarm(Exception):
    """The broker takes no messages: its memory or disk is short."""


def check(url: str) -> None:
    """Raise BrokerUnavailable where the AMQP broker at ``url`` takes no messages."""
    probe(_server(url))


def probe(server: Server, queues: Sequence[str] = ()) -> None:
    """Give an AMQP broker a message that no queue takes, and look whether these queues are up.

    Raises BrokerUnavailable, or BrokerRefused, in its own words. A queue that nobody has declared
    yet is no fault.
    """
    wait = settings.load().connect_timeout_s
    # a connection of its own: to one that publishes, a broker says why it takes nothing
    link = Link(server.url, connect_timeout=wait, transport_options={"confirm_publish": True})
    try:
        raw: Any = link.connection
        raw.on_blocked = _stop
        link.Producer().publish("", routing_key=f"{names.queue()}.nobody", confirm_timeout=PROBE_S)
        _look(link, queues)
    except _Alarm as alarm:
        raise error_replies.blocked(server, str(alarm)) from alarm
    except _ERRORS as error:
        raise error_replies.raised(server, error) from error
    finally:
        link.collect()  # a broker that is blocked does not answer to a proper good-bye


def _stop(reason: str) -> None:
    """Wait for nothing more: a broker with an alarm confirms nothing."""
    raise _Alarm(reason)


def _look(link: Link, queues: Sequence[str]) -> None:
    channel: Any = link.channel()
    for queue in queues:
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound as error:
            if "down" in str(error):  # it is there, and the node that it is on is not
                raise
            channel = link.channel()  # the error has closed the other


def follow(url: str) -> Iterator[str | None]:
    """Yield the events that are published from now on; None every second in which none is.

    Raises BrokerUnavailable: events that come before the next call are then not seen.
    """
    timeout = settings.load().connect_timeout_s
    try:
        with Link(url, connect_timeout=timeout, heartbeat=10) as connection:
            yield from _drained(connection)
    except _ERRORS as error:
        raise error_replies.raised(_server(url), error) from error


def _drained(connection: kombu.Connection) -> Iterator[str | None]:
    received: list[str] = []

    def take(message: kombu.Message) -> None:
        body: Any = message.body  # the stubs know text alone
        received.append(body.decode() if isinstance(body, bytes) else str(body))

    # of this connection alone: the broker removes it with the connection
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
os.register_at_fork(after_in_child=_producers.clear)
