"""A connection of the caller's own, psycopg's or Django's, as SQLAlchemy's: for one statement more.

The transaction stays the caller's: nothing here commits, rolls back or closes anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import Connection, StaticPool, create_engine

from tagsweep.worker.errors import Rejected, SettingsError

NO_CONNECTION = (
    "A job is recorded through a connection of SQLAlchemy, psycopg 3 or Django on psycopg 3, not "
    "through {kind}."
)
NO_TRANSACTION = (
    "The connection commits each statement by itself, and has no open transaction: record the job "
    "inside one (connection.transaction(), or Django's transaction.atomic())."
)


class _Borrowed:
    """A connection whose end is not ours to decide, and whose rows are plain tuples."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._conn = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)

    def cursor(self, *_: Any, **__: Any) -> psycopg.Cursor[Any]:
        """Return a cursor that does not depend on the factories of the caller."""
        return psycopg.Cursor(self._conn, row_factory=tuple_row)

    def commit(self) -> None:
        """Leave it to the caller."""

    rollback = close = commit


@contextmanager
def as_sqlalchemy(connection: Any) -> Iterator[Connection]:
    """Give ``connection``, psycopg's or Django's, as one of SQLAlchemy.

    Raises SettingsError if it is another kind of connection, Rejected if no transaction is open.
    """
    if hasattr(connection, "ensure_connection"):  # Django's
        connection.ensure_connection()
        connection = connection.connection
    if not isinstance(connection, psycopg.Connection):
        raise SettingsError(NO_CONNECTION.format(kind=type(connection).__qualname__))
    if (
        connection.autocommit
        and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    ):
        raise Rejected(NO_TRANSACTION)
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: _Borrowed(connection),
        poolclass=StaticPool,
        use_native_hstore=False,
    )
    with engine.connect() as borrowed:
        yield borrowed
