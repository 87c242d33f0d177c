"""Statements that are sent to PostgreSQL without waiting for the answer of each.

Of a small transaction nearly all time is round trips, and work around each statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, TextClause

from tagsweep.worker.database.dialects import is_sqlite

#: returns the rows of a statement; the first call waits for them
Rows = Callable[[], Sequence[Any]]
#: the text of a statement as the driver takes it, and what it does to values of some types
_Compiled = tuple[str, Mapping[str, Any]]
# by what writes the names of tables: it is another one once a store was found to be elsewhere
_compiled: WeakKeyDictionary[Any, dict[TextClause, _Compiled]] = WeakKeyDictionary()


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send statements without waiting for each during the block; nothing else may be executed.

    At its end all have been answered; the first error of any is raised there, or where rows are
    read. On SQLite, and behind a pooler, each is executed as usual.
    """
    if is_sqlite(connection):
        yield
        return
    import psycopg

    from tagsweep.worker.database import sessions

    driver = _driver(connection)
    if sessions.is_pooled(connection) or not psycopg.Pipeline.is_supported():
        yield
        return
    with _reported(connection):
        pipeline = driver.pipeline()
        pipeline.__enter__()
        try:
            yield
        except BaseException:
            with suppress(psycopg.Error):  # that those behind an error were not executed
                pipeline.__exit__(None, None, None)
            raise
        pipeline.__exit__(None, None, None)


def send(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> Rows:
    """Execute ``statement`` on PostgreSQL; the rows have its columns' names."""
    from psycopg.rows import namedtuple_row

    text, processors = _of(connection.dialect, statement)
    given = {**values, **{name: process(values[name]) for name, process in processors.items()}}
    with _reported(connection):
        cursor = _driver(connection).cursor(row_factory=namedtuple_row)
        # whoever listens to the engine, as those who trace do
        for told in connection.dispatch.before_cursor_execute:
            told(connection, cursor, text, given, None, False)  # noqa: FBT003  # as SQLAlchemy has it
        cursor.execute(text, given)

    def rows() -> Sequence[Any]:
        with _reported(connection):
            found: Sequence[Any] = cursor.fetchall()
            return found

    return rows


def commit(connection: Connection) -> None:
    """Commit right behind what was sent, in the same round trip, unless any of it fails.

    On SQLite the transaction is committed at its end, as always.
    """
    if is_sqlite(connection):
        return
    with _reported(connection):
        _driver(connection).commit()


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _of(dialect: Dialect, statement: TextClause) -> _Compiled:
    known = _compiled.setdefault(dialect.identifier_preparer, {})
    if statement not in known:
        compiled = statement.compile(dialect=dialect)
        processors = {
            name: process
            for name, bind in compiled.binds.items()
            if (process := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        known[statement] = str(compiled), processors
    return known[statement]


@contextmanager
def _reported(connection: Connection) -> Iterator[None]:
    """Let SQLAlchemy handle the driver's errors as if it had executed the statement itself."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        # it knows which sessions are lost, and tells the listeners of ``sessions`` and ``errors``
        report: Any = connection._handle_dbapi_exception  # noqa: SLF001  # there is no public one
        report(error, None, None, None, None)
