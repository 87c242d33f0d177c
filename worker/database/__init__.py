"""The only access to the store: engines and transactions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from tagsweep.worker import settings
from tagsweep.worker.database import location, write_queue
from tagsweep.worker.database.errors import renew, translated
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.process.single import single

__all__ = ["Connection"]  # for modules that only pass it on

#: how long a statement waits for a lock if other jobs wait with it
LOCK_WAIT_MS = 50
#: how long SQLite waits for another process's transaction; ours are far shorter
SQLITE_WAIT_S = 120


def open_engine(config: settings.Settings) -> Engine:
    """Return a new engine for the store that ``config`` names; no connection is opened yet."""
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
        use_native_hstore=False,  # otherwise each engine would query the server for it
        pool_size=4,
        max_overflow=8,
    )
    sessions.Sessions(config).attach(engine)
    event.listen(engine, "handle_error", renew)
    location.attach(engine, config.schema_name)
    return engine


def is_pooled(connection: Connection) -> bool:
    """Return whether a pooler may be between this connection and PostgreSQL."""
    if connection.dialect.name == "sqlite":
        return False
    from tagsweep.worker.database import sessions

    return sessions.is_pooled(connection)


def pooler_detected(connection: Connection) -> bool:
    """Return whether a pooler was detected, whatever TAGSWEEP_POOLER says."""
    if connection.dialect.name == "sqlite":
        return False
    from tagsweep.worker.database import sessions

    return sessions.pooler_detected(connection)


def has_single_session(connection: Connection) -> bool:
    """Return whether waiting for a second transaction could deadlock while this one is open.

    SQLite has one writer, and a pooler may have no second session until this one is returned.
    """
    return connection.dialect.name == "sqlite" or is_pooled(connection)


@contextmanager
def borrowed(connection: Connection) -> Iterator[None]:
    """Let a connection of the caller's own engine execute our statements during the block.

    The caller's own statements are compiled as before. Raises SettingsError if its driver is not
    supported.
    """
    if connection.dialect.name != "sqlite":
        _adapt(connection)
    with location.borrowed(connection, settings.load().schema_name):
        yield


def _adapt(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    # imported only here and below: SQLite does not need to wait for it
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


@single
def engine() -> Engine:
    """Return this process's engine for the store that the environment names.

    Raises SettingsError if it names none, but names a broker: each machine would have its own.
    """
    config = settings.load()
    if config.lacks_store:
        raise SettingsError(
            f"TAGSWEEP_DATABASE_URL is not set, but {config.lacks_store} is: set it to the store "
            "shared by everything that uses that server."
        )
    return open_engine(config)


def forget_engine() -> None:
    """Drop the engine: a forked child must neither use nor close its parent's sockets."""
    for one in engine.forget():
        one.dispose(close=False)


os.register_at_fork(after_in_child=forget_engine)


@contextmanager
def transaction() -> Iterator[Connection]:
    """Open the one transaction of a step: committed at the end, rolled back on any exception.

    Raises StoreUnavailable, StoreBusy or StoreRefused (nothing was changed; try again).
    """
    alone = write_queue.turn() if engine().dialect.name == "sqlite" else nullcontext()
    with alone, translated(), engine().begin() as connection:
        yield connection


def plan_for_many(connection: Connection, *, adds: bool = False) -> None:
    """Make the server plan the statements of this transaction for a chunk of many ids.

    It plans them with their values: the generic plan, for any number of ids, is the slow one. And
    it visits rows page by page, not one by one in the order of an index, unless the chunk ``adds``
    them. The statements of a small job take less time than planning them again.

    What the server executes for each row, to check a foreign key or in a trigger, keeps its plan:
    so they are not prepared, where ``force_custom_plan`` would be about all plans.
    """
    if connection.dialect.name != "postgresql":
        return
    from tagsweep.worker.database import sessions

    sessions.prepare_nothing(connection)
    scans = "" if adds else ", set_config('enable_indexscan', 'off', true)"
    connection.exec_driver_sql(f"SELECT set_config('plan_cache_mode', 'auto', true){scans}")


def wait_briefly(connection: Connection) -> None:
    """Make the statements of this transaction wait for a lock no longer than LOCK_WAIT_MS.

    Then it is rolled back and raises StoreBusy.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_MS}ms'")


def commit_later(connection: Connection) -> None:
    """Make the commit of this transaction not wait for the disk; the order of commits is kept.

    For work that is repeated if a server crash undoes it, and that nobody has been told about: all
    chunks of a job but its last. The next commit that waits, of any job, makes it durable too.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def commit_now(connection: Connection) -> None:
    """Make the commit of this transaction wait for the disk again, if the server is set to."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit TO DEFAULT")


@contextmanager
def pages_changed(connection: Connection) -> Iterator[None]:
    """Disable index-only scans during the block, for a query right after a large removal.

    Such a scan would visit the table for every removed row, one by one; without it the server goes
    page by page if there are many. Its statistics do not reflect the removal yet.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.exec_driver_sql("SET LOCAL enable_indexonlyscan = off")
    yield
    connection.exec_driver_sql("SET LOCAL enable_indexonlyscan TO DEFAULT")


@contextmanager
def reading() -> Iterator[Connection]:
    """Open a transaction that only reads; on SQLite it never waits. Errors as above.

    It is committed: after a rollback psycopg makes the session forget all that is prepared.
    """
    with translated(), engine().connect().execution_options(reading=True) as connection:
        yield connection
        connection.commit()


@contextmanager
def snapshot() -> Iterator[Connection]:
    """Open a transaction that only reads, and sees one snapshot throughout. Errors as above."""
    options: dict[str, Any] = {"reading": True}
    if engine().dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with translated(), engine().connect().execution_options(**options) as connection:
        yield connection
        connection.commit()


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Open a part of a transaction that is rolled back alone if it fails. Errors as above."""
    with translated(), connection.begin_nested():
        yield


@contextmanager
def rolled_back(connection: Connection) -> Iterator[None]:
    """Open a part of a transaction that is always rolled back. Errors as above."""
    with translated(), closing(connection.begin_nested()):
        yield
