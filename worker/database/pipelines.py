"""Statements that are sent to PostgreSQL without waiting for the answer of each.

Of a small transaction nearly all time is round trips, and work around each statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, TextClause

from tagsweep.worker.database.dialects import is_sqlite

#: returns the rows of a statement; to be called once they have been waited for
Rows = Callable[[], Sequence[Any]]
#: of a connection: what waits to be sent, and what its session has prepared
_WAITING, _PREPARED = "tagsweep.waiting", "tagsweep.prepared"
_PLACE = re.compile(r"%\((\w+)\)s|%%")


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement for the driver, and for the server."""

    text: str
    processors: Mapping[str, Any]  #: what the driver does to values of some types, by their names
    numbered: bytes  #: the text with ``$1`` for the first of ``names``, and so on
    names: Sequence[str]


# by what writes the names of tables: it is another one once a store was found to be elsewhere
_compiled: WeakKeyDictionary[Any, dict[TextClause, _Compiled]] = WeakKeyDictionary()


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send what the block sends in one round trip at its end; nothing else may be executed.

    Then all have been answered, or the first error of any is raised. On SQLite, and behind a
    pooler, each is executed as usual.
    """
    if is_sqlite(connection):
        yield
        return
    import psycopg

    from tagsweep.worker.database import sessions
    from tagsweep.worker.database.round_trip import RoundTrip

    if sessions.is_pooled(connection) or not psycopg.Pipeline.is_supported():
        yield
        return
    prepared = connection.info.setdefault(_PREPARED, {})
    connection.info[_WAITING] = waiting = RoundTrip(_driver(connection), prepared)
    try:
        yield
    finally:
        del connection.info[_WAITING]
    with _reported(connection):
        waiting.make()


def is_pipelined(connection: Connection) -> bool:
    """Tell whether this is in a block whose statements are sent in one round trip."""
    return _WAITING in connection.info


def send(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> Rows:
    """Execute ``statement`` on PostgreSQL; the rows have its columns' names."""
    import psycopg
    from psycopg.rows import namedtuple_row

    if not isinstance(_driver(connection), psycopg.Connection):  # a caller's own
        done = connection.execute(statement, dict(values))
        own = done.all() if done.returns_rows else ()
        return lambda: own
    compiled = _of(connection.dialect, statement)
    processed = {name: process(values[name]) for name, process in compiled.processors.items()}
    given = {**values, **processed}
    waiting = connection.info.get(_WAITING)
    with _reported(connection):
        if waiting is not None:
            _tell(connection, None, compiled.text, given)
            rows = waiting.execute(compiled.numbered, [given[name] for name in compiled.names])
            return lambda: rows
        cursor = _driver(connection).cursor(row_factory=namedtuple_row)
        _tell(connection, cursor, compiled.text, given)
        cursor.execute(compiled.text, given)
    found: Sequence[Any] = cursor.fetchall() if cursor.description else ()
    return lambda: found


def _tell(connection: Connection, cursor: Any, text: str, values: Mapping[str, Any]) -> None:
    """Tell whoever listens to the engine, as those who trace do."""
    for told in connection.dispatch.before_cursor_execute:
        cursor = cursor or _driver(connection).cursor()
        told(connection, cursor, text, values, None, False)  # noqa: FBT003  # as SQLAlchemy has it


def commit(connection: Connection) -> None:
    """Commit right behind what was sent, in the same round trip, unless any of it fails.

    What is sent behind it, where ``is_pipelined``, begins the next transaction. On SQLite the
    transaction is committed at its end, as always.
    """
    if is_sqlite(connection):
        return
    waiting = connection.info.get(_WAITING)
    if waiting is not None:
        waiting.commit()
        return
    with _reported(connection):
        _driver(connection).commit()


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _of(dialect: Dialect, statement: TextClause) -> _Compiled:
    known = _compiled.setdefault(dialect.identifier_preparer, {})
    if statement not in known:
        known[statement] = _compile(dialect, statement)
    return known[statement]


def _compile(dialect: Dialect, statement: TextClause) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    processors = {
        name: process
        for name, bind in compiled.binds.items()
        if (process := bind.type.dialect_impl(dialect).bind_processor(dialect))
    }
    text = str(compiled)
    names = list(dict.fromkeys(name for name in _PLACE.findall(text) if name))
    numbered = _PLACE.sub(lambda it: f"${names.index(it[1]) + 1}" if it[1] else "%", text)
    return _Compiled(text, processors, numbered.encode(), names)


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
