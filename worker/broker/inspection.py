"""What the broker reports about itself, and which workers answer."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.broker import names
from tagsweep.worker.broker.amqp.probe import probe as probe_amqp
from tagsweep.worker.broker.app import app
from tagsweep.worker.broker.sending import depth, server, unavailable
from tagsweep.worker.settings import AMQP, MEMORY, scheme

#: seconds to wait for workers to answer
PATIENCE_S = 1.5


def workers() -> dict[str, set[str]]:
    """Return the workers that answer, and the queues that each takes; raises BrokerUnavailable."""
    with unavailable(server(app())):
        replies: Any = app().control.inspect(timeout=PATIENCE_S).active_queues()
    queues = sorted((replies or {}).items())
    return {name: {str(queue["name"]) for queue in taken} for name, taken in queues}


def untaken(found: dict[str, set[str]]) -> list[str]:
    """Return the queues that none of these workers takes."""
    taken = set().union(*found.values())
    return [name for name in names.queues() if name not in taken]


def waiting() -> int:
    """Return how many messages wait for a worker; raises BrokerUnavailable."""
    with unavailable(server(app())), app().connection_for_read() as connection:
        link: Any = connection  # the stubs know no channels
        return sum(depth(link, link.channel(), name) for name in (names.queue(), names.parts()))


def rabbitmq() -> str | None:
    """Return the version of RabbitMQ; None for another broker. Raises BrokerUnavailable."""
    with unavailable(server(app())), app().connection_for_read() as connection:
        link: Any = connection.connection
        properties: dict[str, Any] = getattr(link, "server_properties", {})
        return str(properties["version"]) if properties.get("product") == "RabbitMQ" else None


def probe() -> None:
    """Send the broker a message that nobody receives, in the way jobs are sent.

    Raises BrokerUnavailable or BrokerRefused if it is not accepted, or if a queue's node is down.
    """
    url = str(app().conf.broker_url)
    if scheme(url) in AMQP:
        probe_amqp(server(app()), (names.queue(), names.sweeps(), names.parts()))
        return
    with unavailable(server(app())), app().pool.acquire(block=True) as connection:
        link: Any = connection
        if scheme(url) == MEMORY:
            link.ensure_connection(max_retries=0)
            return
        with link.default_channel.conn_or_acquire() as client, client.pipeline() as pipe:
            key = f"{names.queue()}.probe"
            pipe.lpush(key, "").delete(key).execute()  # in one step: no worker sees it
