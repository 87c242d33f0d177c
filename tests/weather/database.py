"""A PostgreSQL database of ours that may refuse, and the plain role that we work as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.servers import Postgres

ROLE, HOGS = "plain", "hogs"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
_OURS = (
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
)
_TABLES = f"SELECT n.nspname, c.relname {_OURS}"
_SCHEMAS = f"SELECT DISTINCT n.nspname {_OURS}"


@dataclass(frozen=True)
class Database:
    """A database of ours on a server that may be broken, and the plain role that we work as."""

    server: Postgres
    owner_url: str

    @property
    def name(self) -> str:
        """The database's name."""
        return urlsplit(self.owner_url).path.removeprefix("/")

    @property
    def url(self) -> str:
        """Where the plain role connects."""
        return self.owner_url.replace("postgres@", f"{ROLE}@")

    def prepare(self) -> None:
        """Make the plain role, with the rights that workers, gateways and commands need."""
        with self.connect() as connection:
            for role in (ROLE, HOGS):
                known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
                if not known.fetchone():
                    connection.execute(f"CREATE ROLE {role} LOGIN")
            for (schema,) in connection.execute(_SCHEMAS).fetchall():
                name = sql.Identifier(schema)
                for right in (
                    "USAGE ON SCHEMA {}",
                    f"{RIGHTS} ON ALL TABLES IN SCHEMA {{}}",
                    "USAGE ON ALL SEQUENCES IN SCHEMA {}",
                ):
                    grant = sql.SQL("GRANT " + right + f" TO {ROLE}")
                    connection.execute(grant.format(name))

    def connect(self, *, elsewhere: bool = False) -> psycopg.Connection[Any]:
        """Connect as the superuser; ``elsewhere``: to another database, which is always open."""
        url = self.server.url if elsewhere else self.owner_url
        options = "-c default_transaction_read_only=off -c statement_timeout=0"
        return psycopg.connect(url, autocommit=True, options=options, connect_timeout=20)

    def run(self, *statements: str) -> None:
        """Run statements as the superuser; ``{job}`` is our table of that name, qualified."""
        with self.connect() as connection:
            tables = self.tables(connection)
            for one in statements:
                connection.execute(sql.SQL(one).format(**tables))

    def tables(self, connection: psycopg.Connection[Any]) -> dict[str, sql.Identifier]:
        """Return our tables by their names, each with the schema that it stands in."""
        rows = connection.execute(_TABLES).fetchall()
        return {name: sql.Identifier(schema, name) for schema, name in rows}

    def end_sessions(self) -> None:
        """End every session of this database, so that all connect anew."""
        with self.connect(elsewhere=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [self.name],
            )
