"""The configurations of store and broker in which the suite can run; TAGSWEEP_TEST_STACK names one.

Tests speak to the servers themselves, as they always do. What runs the product (a process that a
test starts, or this very one under ``configured``) is given what ``settings`` makes of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tagsweep.worker.doctor import readiness
from tagsweep.worker.models.tables import metadata
from tests.servers import PgBouncer, Postgres, RabbitMQ, Redis
from tests.servers.sentinel import MASTER, Sentinel
from tests.support import link_tables
from tests.support.configuration import STORES, Configuration, Run

HERE = Path(__file__).parent
VARIABLE = "TAGSWEEP_TEST_STACK"
ROLE = "plain"
#: settings that may name a Redis
URLS = ("broker_url", "events_url", "results_url")


class Pooled(Configuration):
    """PgBouncer in transaction mode, as it comes, before the session's PostgreSQL."""

    name = "pgbouncer"
    fixtures = STORES
    _server: Postgres | None = None
    _pooler: PgBouncer | None = None

    @contextmanager
    def around(self, server: Postgres, run: Run) -> Iterator[None]:
        """Start the pooler."""
        with run(PgBouncer(server.url, pool_size=4)) as pooler:
            self._server, self._pooler = server, pooler
            yield

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Lead to the pooler whoever is told of the server."""
        url = str(given.get("database_url", ""))
        if self.plain or self._server is None or self._pooler is None:
            return dict(given)
        there = f"127.0.0.1:{self._server.port}/"
        return (
            {**given, "database_url": url.replace(there, f"127.0.0.1:{self._pooler.port}/")}
            if (url)
            else dict(given)
        )


class LeastRights(Configuration):
    """A role that owns nothing, and may do with each table what `tagsweep doctor` asks for."""

    name = "least-rights"
    fixtures = STORES
    _server: Postgres | None = None

    @contextmanager
    def around(self, server: Postgres, run: Run) -> Iterator[None]:  # noqa: ARG002  # no other one
        """Make the role."""
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {ROLE} LOGIN")
        self._server = server
        yield

    def prepare(self, url: str) -> None:
        """Grant what is needed in a database, and so in its copies."""
        with psycopg.connect(url, autocommit=True) as connection:
            known: dict[str, str] = dict(connection.execute(_SCHEMAS).fetchall())
            for schema in set(known.values()):
                name = sql.Identifier(schema)
                connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO plain").format(name))
            for table, schema in known.items():
                rights = readiness.rights_on(metadata.tables.get(f"{metadata.schema}.{table}"))
                grant = sql.SQL(f"GRANT {', '.join(rights)} ON {{}} TO {ROLE}")
                connection.execute(grant.format(sql.Identifier(schema, table)))

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Let the product log in as the role, where it works on the session's server."""
        url = str(given.get("database_url", ""))
        if self.plain or self._server is None or f":{self._server.port}/" not in url:
            return dict(given)
        return {**given, "database_url": url.replace("//postgres@", f"//{ROLE}@")}


_SCHEMAS = """
SELECT relname, nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema')
"""


class Postgres18(Configuration):
    """The newest PostgreSQL that we know, from its wheel."""

    name = "postgres18"
    fixtures = STORES

    def server(self) -> Postgres:
        """Return it."""
        return Postgres(version="18")


class Elsewhere(Configuration):
    """A schema of another name, which has to be quoted."""

    name = "schema"
    schema = "Tags-2"
    fixtures = STORES

    def server(self) -> Postgres:
        """Return it; the tests' own SQL finds the tables there."""
        server = super().server()
        server.search_path = ("public", self.schema)
        return server

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Name the schema to whoever is told of a store, and to who makes it."""
        if not str(given.get("database_url", "")).startswith("postgresql"):
            return dict(given)
        return {"schema": self.schema, **given}


class Mapped(Configuration):
    """Tags and links in tables of an application's own, of which there is a map."""

    name = "mapped"
    fixtures = STORES
    tables = link_tables.MappedTables()

    def prepare(self, url: str) -> None:
        """Create the application's tables."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((HERE / "application.sql").read_bytes())

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Name the map to whoever is told of a store in PostgreSQL."""
        if self.plain or not str(given.get("database_url", "")).startswith("postgresql"):
            return dict(given)
        return {"map": HERE / "application.toml", **given}


class _QuorumRabbitMQ(RabbitMQ):
    def create_vhost(self, queue_type: str = "quorum") -> str:
        """Create an empty virtual host, whose queues are quorum ones unless somebody says so."""
        return super().create_vhost(queue_type)


class Quorum(Configuration):
    """Virtual hosts of RabbitMQ whose default type of queue is quorum."""

    name = "quorum"
    broker = "amqp"
    fixtures = ("rabbitmq_server", "stack", "server_stack", "gateway")

    def rabbitmq(self) -> RabbitMQ:
        """Return it."""
        return _QuorumRabbitMQ()


class Sentinels(Configuration):
    """Redis behind sentinels; tests speak to the server that is the master as long as none dies."""

    name = "sentinel"
    fixtures = ("redis_server", "stack", "server_stack", "gateway")
    _found: Sentinel | None = None

    @contextmanager
    def redis(self, run: Run) -> Iterator[Redis]:
        """Start all of them."""
        with run(Sentinel()) as found:
            self._found = found
            yield found.servers[0]

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Name the sentinels to whoever is told of the master."""
        if self.plain or self._found is None:
            return dict(given)
        master = self._found.servers[0].url.removesuffix("/0")
        own = {
            name: self._found.url.removesuffix("0") + str(url).rpartition("/")[2]
            for name, url in given.items()
            if name in URLS and str(url).startswith(f"{master}/")
        }
        return {**given, **own, "sentinel_master": MASTER} if own else dict(given)


KINDS = (
    Configuration,
    Pooled,
    Postgres18,
    Elsewhere,
    LeastRights,
    Mapped,
    Sentinels,
    Quorum,
)
ALL = {kind.name: kind for kind in KINDS}


@cache
def active() -> Configuration:
    """Return the configuration of this session."""
    name = os.environ.get(VARIABLE) or Configuration.name
    if name not in ALL:
        raise ValueError(f"{VARIABLE}={name!r}: it is one of {', '.join(ALL)}")
    return ALL[name]()


def concerns(configuration: Configuration, fixtures: set[str], parameters: set[str]) -> bool:
    """Tell whether a test meets what is different in a configuration, by what it uses."""
    if parameters & {"sqlite", "embedded", "up"}:
        return False
    if {"redis", "amqp"} & parameters and configuration.broker not in parameters:
        return False
    return bool(fixtures & set(configuration.fixtures))
