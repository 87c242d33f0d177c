"""Sends messages, or reports within seconds that the broker does not accept them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu import Message
from kombu.exceptions import ConnectionLimitExceeded, InconsistencyError, OperationalError

from tagsweep.worker import settings
from tagsweep.worker.broker import error_replies, names
from tagsweep.worker.broker.amqp import replies
from tagsweep.worker.broker.amqp.transport import Unrouted
from tagsweep.worker.broker.app import SENDING, app
from tagsweep.worker.broker.error_replies import Server

#: what client libraries raise about a server, besides Redis' own errors
_ERRORS = (
    OperationalError,
    ConnectionLimitExceeded,
    InconsistencyError,
    AMQPError,
    MessageNacked,
    OSError,
)


def send(sender: Celery, name: str, body: object = None, **options: Any) -> None:
    """Send the task ``name`` with one argument, or none.

    Raises BrokerUnavailable within seconds if the broker does not accept it.
    """
    args = [] if body is None else [body]
    # or Celery would format all ids for its monitors, which takes as long as sending them
    shown = {"argsrepr": "(…)" if args else "()", "kwargsrepr": "{}"}
    options = {"queue": names.queue(), **SENDING, **shown, **options}
    with unavailable(server(sender)):
        step = partial(sender.send_task, name, args, **options)
        try:
            replies.renewed(sender, step)
        except Unrouted:  # deleted since it was declared: another connection declares it again
            replies.renewed(sender, step)


def send_anew(signature: Any) -> None:
    """Send a copy of a task that a worker holds, as it came; raises BrokerUnavailable.

    Returns once the broker has it.
    """
    with unavailable(server(app())):
        try:
            signature.apply_async(**SENDING)
        except Unrouted:  # as above
            signature.apply_async(**SENDING)


def pass_on(message: Message, queue: str) -> None:
    """Send a copy of a message to another queue, as it came; raises BrokerUnavailable.

    Returns once the broker has it.
    """
    kept = ("correlation_id", "reply_to", "priority", "expiration")
    given: dict[str, Any] = {name: message.properties.get(name) for name in kept}
    with unavailable(server(app())), app().amqp.producer_pool.acquire(block=True) as producer:
        producer.publish(
            message.body,
            exchange="",
            routing_key=queue,
            headers=message.headers,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            declare=[app().amqp.queues[queue]],
            **{name: value for name, value in given.items() if value is not None},
            **SENDING,
        )


def connect(sender: Celery) -> None:
    """Open the connection that ``send`` uses, so that the first message need not wait for it.

    Raises BrokerUnavailable.
    """
    with unavailable(server(sender)), sender.amqp.producer_pool.acquire(block=True) as producer:
        producer.maybe_declare(sender.amqp.queues[names.queue()])


def wake(wanted: int = 1) -> None:
    """Ensure that sweeps are queued: send up to ``wanted`` more while few are waiting.

    A sweep is an empty token: the store decides what it does. So there need never be more of them
    than workers can hold, however many jobs are open.
    """
    missing = min(wanted, settings.load().sweeps_waiting - sweeps_waiting())
    for _ in range(missing):
        send(app(), "tags.sweep", queue=names.sweeps())


def sweeps_waiting() -> int:
    """Return how many sweeps wait on the broker."""
    connection: Any  # the stubs take it for a producer
    with unavailable(server(app())), app().pool.acquire(block=True) as connection:
        return depth(connection, connection.default_channel, names.sweeps())


def depth(connection: Any, channel: Any, name: str) -> int:
    """Return how many messages wait in a queue; if it is missing, AMQP closes the channel."""
    try:
        return int(channel.queue_declare(name, passive=True).message_count)
    except connection.channel_errors:  # not declared yet
        return 0


def check(sender: Celery) -> None:
    """Raise BrokerUnavailable, within seconds, if the broker does not answer."""
    with unavailable(server(sender)), sender.connection_for_write() as connection:
        # a second attempt only if the first was refused at once
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)


def server(sender: Celery) -> Server:
    """Return the broker to which the app sends."""
    return Server("broker", "TAGSWEEP_BROKER_URL", str(sender.conf.broker_url))


@contextmanager
def unavailable(about: Server) -> Iterator[None]:
    """Turn client libraries' errors into BrokerUnavailable or BrokerRefused."""
    try:
        yield
    except Exception as error:
        # the last: Celery's error if a result backend on Redis does not answer
        if not (
            isinstance(error, _ERRORS)
            or error_replies.code_of(error)
            or error_replies.is_redis(error)
            or "Retry limit exceeded" in str(error)
        ):
            raise
        raise error_replies.raised(about, error) from error
