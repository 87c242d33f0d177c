"""What a configuration of store and broker is: what it sets up, and what it makes of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tests.servers import Postgres, RabbitMQ, Redis
from tests.support import link_tables

Run = Callable[[Any], AbstractContextManager[Any]]
#: fixtures by which a test says, with its parameter or without, that it needs a store or a broker
STORES = ("postgres_server", "store", "stack", "server_stack", "gateway")


class Configuration:
    """PostgreSQL, Redis and RabbitMQ as they come; the others differ from it."""

    name = "default"
    broker = "redis"  #: that of the core
    schema = "tagsweep"  #: where a store's tables are
    fixtures: tuple[str, ...] = ()  #: whoever uses one of these meets what is different here
    tables = link_tables.LinkTables()  #: of tags and links

    def __init__(self) -> None:
        self.plain = False  #: set while the product is to work as if this were the default

    def server(self) -> Postgres:
        """Return the PostgreSQL of the session, not started yet."""
        return Postgres()

    def rabbitmq(self) -> RabbitMQ:
        """Return the RabbitMQ of the session, not started yet."""
        return RabbitMQ()

    @contextmanager
    def around(self, server: Postgres, run: Run) -> Iterator[None]:  # noqa: ARG002  # others do
        """Set up what there is beside the session's PostgreSQL; ``run`` runs a server."""
        yield

    @contextmanager
    def redis(self, run: Run) -> Iterator[Redis]:
        """Run the Redis of the session, to which tests speak; ``run`` runs a server."""
        with run(Redis()) as server:
            yield server

    def prepare(self, url: str) -> None:
        """Do what is to be done in a database whose schema was just made."""

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a process of the product, in place of those given."""
        return dict(given)

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Give the product the settings as they are."""
        self.plain = True
        try:
            yield
        finally:
            self.plain = False
