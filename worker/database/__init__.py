"""The store's one door: engines and transactions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from tagsweep.worker import settings
from tagsweep.worker.database import location, write_queue
from tagsweep.worker.database.errors import renew, translated
from tagsweep.worker.errors import SettingsError

__all__ = ["Connection"]  # for those who pass it on, and know no SQL

#: how long SQLite waits for another process's transaction; ours are bounded far below it
SQLITE_WAIT_S = 120


def open_engine(config: settings.Settings) -> Engine:
    """Return a new engine for the store that ``config`` names; nothing is connected yet."""
    url = make_url(config.database_url)
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": SQLITE_WAIT_S, "isolation_level": None, "check_same_thread": False}
        engine = create_engine(url, connect_args=arguments)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        location.attach(engine, config.schema_name)
        return engine
    from tagsweep.worker.database import sessions

    engine = create_engine(
        "postgresql+psycopg://",
        connect_args=sessions.arguments(config),
        isolation_level=sessions.ISOLATION,
        use_native_hstore=False,  # or each engine would ask the server for it
        pool_size=4,
        max_overflow=8,
    )
    sessions.Sessions(config).attach(engine)
    event.listen(engine, "handle_error", renew)
    location.attach(engine, config.schema_name)
    return engine


def is_pooled(connection: Connection) -> bool:
    """Tell whether a pooler may stand between this connection and PostgreSQL."""
    if connection.dialect.name == "sqlite":
        return False
    from tagsweep.worker.database import sessions

    return sessions.is_pooled(connection)


def is_lent(connection: Connection) -> bool:
    """Tell whether it was seen that a pooler lends the session, whatever was told of it."""
    if connection.dialect.name == "sqlite":
        return False
    from tagsweep.worker.database import sessions

    return sessions.is_lent(connection)


def is_alone(connection: Connection) -> bool:
    """Tell whether no second transaction may be waited for while this one is open.

    SQLite has one writer; and a pooler may have no second session to lend, till this one is back.
    """
    return connection.dialect.name == "sqlite" or is_pooled(connection)


@contextmanager
def lent(connection: Connection) -> Iterator[None]:
    """Teach a connection of the caller's own engine what ours know, and where the tables are.

    The caller's own statements are compiled as before. Raises SettingsError where its driver is not
    one that we know.
    """
    if connection.dialect.name != "sqlite":
        _adapt(connection)
    with location.lent(connection, settings.load().schema_name):
        yield


def _adapt(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    # here and below alone: whoever works on SQLite need not wait till they are imported
    import psycopg

    from tagsweep.worker.database import uuid_arrays

    driver = getattr(raw, "_conn", raw)
    if not isinstance(driver, psycopg.BaseConnection):
        raise SettingsError(
            f"Jobs cannot be recorded through {connection.dialect.driver}: connect with psycopg 3."
        )
    uuid_arrays.adapt(driver)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("foreign_keys = ON", "synchronous = FULL", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # a transaction that reads first and writes later could not wait for another one's lock
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@cache
def engine() -> Engine:
    """Return this process's engine for the store that the environment names.

    Raises SettingsError where it names none, and yet a broker: each machine would have its own.
    """
    config = settings.load()
    if config.lacks_store:
        raise SettingsError(
            f"TAGSWEEP_DATABASE_URL is not set, but {config.lacks_store} is: name the store that "
            "all who share that server work on."
        )
    return open_engine(config)


def forget_engine() -> None:
    """Let go of the engine: a forked child must neither use nor close its parent's sockets."""
    if engine.cache_info().currsize:
        engine().dispose(close=False)
        engine.cache_clear()


os.register_at_fork(after_in_child=forget_engine)


@contextmanager
def transaction() -> Iterator[Connection]:
    """Open the one transaction of a step: committed at the end, rolled back on every other way out.

    Raises StoreUnavailable, StoreBusy or StoreRefused (nothing was changed; try again).
    """
    alone = write_queue.turn() if engine().dialect.name == "sqlite" else nullcontext()
    with alone, translated(), engine().begin() as connection:
        yield connection


def plan_for_many(connection: Connection) -> None:
    """Let the server plan the statements of this transaction for a chunk of many ids.

    With the values at hand: the plan that is made once for any number of them is the slow one. And
    so that it visits rows page by page, not one by one in the order of an index. A small job's
    statements take less time than to plan them again.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), "
            "set_config('enable_indexscan', 'off', true)"
        )


def commit_later(connection: Connection) -> None:
    """Let the commit of this transaction not wait for the disk, though it keeps its place.

    For what is done again where a crash of the server takes it back, and is told to nobody: the
    chunks of a job but its last. The first commit that waits, of any job, saves all before it.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def commit_now(connection: Connection) -> None:
    """Let the commit of this transaction wait for the disk after all, as the server is set."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit TO DEFAULT")


@contextmanager
def pages_changed(connection: Connection) -> Iterator[None]:
    """Let the server not read from an index alone, where most rows it points to were just removed.

    It would look for each of them in the table after all, one by one; with this it takes them page
    by page where they are many. Its statistics do not know of the removal yet.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.exec_driver_sql("SET LOCAL enable_indexonlyscan = off")
    yield
    connection.exec_driver_sql("SET LOCAL enable_indexonlyscan TO DEFAULT")


@contextmanager
def reading() -> Iterator[Connection]:
    """Open a transaction that only reads; on SQLite it waits for nobody. Errors as above."""
    with translated(), engine().connect().execution_options(reading=True) as connection:
        yield connection


@contextmanager
def snapshot() -> Iterator[Connection]:
    """Open a transaction that only reads, all of it the store of one moment. Errors as above."""
    options: dict[str, Any] = {"reading": True}
    if engine().dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with translated(), engine().connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Open a part of a transaction that is undone alone where it fails. Errors as above."""
    with translated(), connection.begin_nested():
        yield


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Open a part of a transaction that is undone in any case. Errors as above."""
    with translated(), closing(connection.begin_nested()):
        yield
