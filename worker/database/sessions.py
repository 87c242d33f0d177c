"""How each session of ours on PostgreSQL is set, and each transaction where sessions are pooled.

A pooler in transaction mode gives each transaction any of its sessions: whatever one of ours had
set, or prepared, would be another's. So behind one nothing is kept by session, and every
transaction brings its own settings. What a role or a database is set to never wins: the start-up
parameter ``options`` would do the same, but poolers refuse it or drop it.
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

#: what is rolled back by whoever finds the row of another; the one level at which we work
ISOLATION = "READ COMMITTED"
#: settings that only newer servers know
_NEW = ("transaction_timeout",)
#: a statement that was prepared in another session: it is not there, it is there already
_LOST = ("26000", "42P05")
_POOLED, _LENT = "pooled", "lent"

NO_OPTIONS = (
    "TAGSWEEP_DATABASE_URL names options ({names}), which a pooler does not keep: speak to the "
    "server itself, or take them out: TAGSWEEP_SCHEMA says where the tables are, and ALTER ROLE "
    "sets the rest."
)
FOUND_LATE = (
    "A pooler of transactions stands before the store, unseen until now: nothing is prepared from "
    "here on. Set TAGSWEEP_POOLER=transaction, so that this is known from the start."
)


def arguments(config: Settings) -> dict[str, Any]:
    """Return what psycopg is told: what the URL names wins over what we would choose."""
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
    """Return the settings that the statements of tagsweep rely on."""
    return {
        "jit": "off",  # it starts at a cost that chunks pass, and takes longer than they do
        "lock_timeout": f"{config.lock_timeout_s}s",
        "statement_timeout": f"{config.statement_timeout_s}s",
        "idle_in_transaction_session_timeout": f"{config.statement_timeout_s}s",
        "transaction_timeout": "0",  # the two above bound a transaction
        "standard_conforming_strings": "on",
        "timezone": "UTC",
    }


def is_pooled(connection: Connection) -> bool:
    """Tell whether a pooler may stand between this connection and the server."""
    return bool(connection.info.get(_POOLED))


def is_lent(connection: Connection) -> bool:
    """Tell whether it was seen that a pooler has lent the session, whatever was told of it."""
    return bool(connection.info.get(_LENT))


class Sessions:
    """The sessions of one engine: each is set when it begins, or at each of its transactions."""

    def __init__(self, config: Settings) -> None:
        self._told = config.pooler
        self._options = database_url.target(config.database_url).options
        self._settings = {**chosen(config), **self._options}
        self._each_transaction = _statement(self._settings, local=True)

    def attach(self, engine: Engine) -> None:
        """Set whatever ``engine`` opens from now on."""
        # before SQLAlchemy itself asks the server anything, and so with our timeouts
        event.listen(engine, "connect", self._connected, insert=True)
        event.listen(engine, "begin", self._begun)
        event.listen(engine, "handle_error", self._failed)

    def _connected(self, connection: psycopg.Connection[Any], record: Any) -> None:
        uuid_arrays.adapt(connection)
        uuid_arrays.read_any_time(connection)
        pooled = self._told == "transaction"
        if not pooled:
            record.info[_LENT] = lent = self._is_lent(connection)
            pooled = lent and self._told is None
        record.info[_POOLED] = pooled
        if pooled and self._options:
            connection.close()
            raise SettingsError(NO_OPTIONS.format(names=", ".join(self._options)))
        if pooled:
            connection.prepare_threshold = None

    def _is_lent(self, connection: psycopg.Connection[Any]) -> bool:
        """Set the session, if it is ours alone, or told to be; tell whether a pooler lends it.

        One round trip. A pooler has to answer a client with a number of its own: so the server's
        tells them apart, and it sets nothing in a session that is not this client's.
        """
        pid = connection.info.backend_pid
        only = None if self._told == "none" else pid
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
        if is_pooled(connection):
            connection.exec_driver_sql(*self._each_transaction)

    def _failed(self, context: ExceptionContext) -> None:
        """Believe in a pooler that was not found out, once statements prepared are another's."""
        error = context.original_exception
        if isinstance(error, psycopg.Error) and is_lost(error):
            context.is_disconnect = True  # of all sessions of the engine: they are made anew
            if self._told != "transaction":
                self._told = "transaction"
                log.warning(FOUND_LATE)


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether a prepared statement was not there, was there already, or was another one."""
    return error.sqlstate in _LOST or "bind message supplies" in str(error)


def _statement(
    settings: Mapping[str, str], *, local: bool, pid: int | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the one statement that sets all of them, and its values; its first column is the pid.

    ``pid``: only in the session of that number.
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
