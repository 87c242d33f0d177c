"""The settings of each session on PostgreSQL, or of each transaction if sessions are pooled.

A pooler in transaction mode gives each transaction any of its sessions: whatever one transaction
set or prepared would affect another client's. So behind a pooler no session keeps state, and every
transaction sets its own. Defaults of a role or a database never win: the start-up parameter
``options`` would achieve the same, but poolers refuse or drop it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from tagsweep.worker.database import uuid_arrays
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.settings import Settings, database_url

log = logging.getLogger(__name__)

#: the only isolation level that our statements are written for
ISOLATION = "READ COMMITTED"
#: settings that only newer servers have
_NEW = ("transaction_timeout",)
#: errors of a statement that was prepared in another session: missing, or already there
_LOST = ("26000", "42P05")
_POOLED, _DETECTED = "pooled", "detected"
#: how often a statement is executed before it is prepared, while none is
_THRESHOLD = "prepare_threshold"

NO_OPTIONS = (
    "TAGSWEEP_DATABASE_URL has options ({names}), which a pooler does not keep: connect to the "
    "server directly, or remove them: TAGSWEEP_SCHEMA says where the tables are, and ALTER ROLE "
    "sets the rest."
)
FOUND_LATE = (
    "The store is behind a transaction pooler that was not detected until now: from here on no "
    "statement is prepared. Set TAGSWEEP_POOLER=transaction, so that this is known from the start."
)


def arguments(config: Settings) -> dict[str, Any]:
    """Return the connection arguments for psycopg; those in the URL override our defaults."""
    return {
        "connect_timeout": config.connect_timeout_s,
        "application_name": "tagsweep",
        "client_encoding": "UTF8",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        **database_url.target(config.database_url).arguments(),
        "cursor_factory": uuid_arrays.Cursor,
    }


def chosen(config: Settings) -> dict[str, str]:
    """Return the session settings that the statements of tagsweep rely on."""
    return {
        "jit": "off",  # it starts at a cost that chunks pass, and takes longer than they do
        "lock_timeout": f"{config.lock_timeout_s}s",
        "statement_timeout": f"{config.statement_timeout_s}s",
        "idle_in_transaction_session_timeout": f"{config.statement_timeout_s}s",
        "transaction_timeout": "0",  # the two above bound a transaction
        "standard_conforming_strings": "on",
        "timezone": "UTC",
        # removed rows are kept as text, which is read back in another session
        "datestyle": "ISO",
        "intervalstyle": "postgres",
        "extra_float_digits": "1",
    }


def prepare_nothing(connection: Connection) -> None:
    """Let the server parse and plan each statement of this transaction by itself."""
    driver: Any = connection.connection.driver_connection
    if driver.prepare_threshold is not None:
        connection.info[_THRESHOLD] = driver.prepare_threshold
        driver.prepare_threshold = None


def is_pooled(connection: Connection) -> bool:
    """Return whether a pooler may be between this connection and the server."""
    return bool(connection.info.get(_POOLED))


def pooler_detected(connection: Connection) -> bool:
    """Return whether a pooler was detected, whatever TAGSWEEP_POOLER says."""
    return bool(connection.info.get(_DETECTED))


class Sessions:
    """The sessions of one engine: set up when opened, or at the start of each transaction."""

    def __init__(self, config: Settings) -> None:
        self._pooler = config.pooler
        self._options = database_url.target(config.database_url).options
        self._settings = {**chosen(config), **self._options}
        self._each_transaction = _statement(self._settings, local=True)

    def attach(self, engine: Engine) -> None:
        """Set up every session that ``engine`` opens from now on."""
        # before SQLAlchemy's own first queries, so that they have our timeouts
        event.listen(engine, "connect", self._connected, insert=True)
        event.listen(engine, "begin", self._begun)
        event.listen(engine, "handle_error", self._failed)

    def _connected(self, connection: psycopg.Connection[Any], record: Any) -> None:
        uuid_arrays.adapt(connection)
        uuid_arrays.read_any_time(connection)
        pooled = self._pooler == "transaction"
        if not pooled:
            record.info[_DETECTED] = detected = self._detect(connection)
            pooled = detected and self._pooler is None
        record.info[_POOLED] = pooled
        if pooled and self._options:
            connection.close()
            raise SettingsError(NO_OPTIONS.format(names=", ".join(self._options)))
        if pooled:
            connection.prepare_threshold = None

    def _detect(self, connection: psycopg.Connection[Any]) -> bool:
        """Set up the session if it is this client's alone; return whether a pooler lends it.

        One round trip. A pooler answers a client with a process id of its own, so the server's
        reveals it; nothing is set in a session that is not this client's alone, unless
        TAGSWEEP_POOLER=none says that all are.
        """
        pid = connection.info.backend_pid
        only = None if self._pooler == "none" else pid
        statement, values = _statement(self._settings, local=False, pid=only)
        try:
            connection.autocommit = True
            row = connection.execute(statement, values).fetchone()
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return row is not None and row[0] != pid

    def _begun(self, connection: Connection) -> None:
        if (threshold := connection.info.pop(_THRESHOLD, None)) is not None:
            driver: Any = connection.connection.driver_connection
            driver.prepare_threshold = threshold
        if is_pooled(connection):
            connection.exec_driver_sql(*self._each_transaction)

    def _failed(self, context: ExceptionContext) -> None:
        """Assume a pooler once a prepared statement turns out to be another session's."""
        error = context.original_exception
        if isinstance(error, psycopg.Error) and is_lost(error):
            context.is_disconnect = True  # all sessions of the engine are reopened
            if self._pooler != "transaction":
                self._pooler = "transaction"
                log.warning(FOUND_LATE)


def is_lost(error: psycopg.Error) -> bool:
    """Return whether a prepared statement was missing, already there, or a different one."""
    return error.sqlstate in _LOST or "bind message supplies" in str(error)


def _statement(
    settings: Mapping[str, str], *, local: bool, pid: int | None = None
) -> tuple[str, dict[str, Any]]:
    """Return one statement that applies all settings, and its values; it returns the pid first.

    ``pid``: apply them only in the session with that process id.
    """
    values: dict[str, Any] = {"local": local, "pid": pid}
    columns = ["pg_backend_pid()"]
    for name, value in settings.items():
        values[name] = value
        column = f"set_config('{name}', %({name})s, %(local)s)"
        conditions = [f"current_setting('{name}', true) IS NOT NULL"] if name in _NEW else []
        if pid is not None:
            conditions.append("pg_backend_pid() = %(pid)s")
        if conditions:
            column = f"CASE WHEN {' AND '.join(conditions)} THEN {column} END"
        columns.append(column)
    return f"SELECT {', '.join(columns)}", values
