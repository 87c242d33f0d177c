"""Translate the drivers' errors into ours, which say where the store is and what went wrong."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    ResourceClosedError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tagsweep.worker import settings
from tagsweep.worker.errors import (
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
    TagsweepError,
)
from tagsweep.worker.settings import database_url

#: lock_not_available, deadlock_detected, serialization_failure
BUSY = ("55P03", "40P01", "40001")
#: connection exceptions, a server that shuts down or starts, too many connections
AWAY = ("08", "57P", "53300")
#: SQLSTATE classes of refusals by constraints, triggers and values of single rows
ROWS = ("22", "23", "27", "44", "P0")
#: refusals that a new session may not meet: the session became read-only and stays so whatever the
#: server's setting is now; its prepared statements or plans are lost or clash; its search_path or
#: its role's rights are those of its start
STALE = ("25006", "26000", "42P05", "0A000", "42P01", "3F000", "42501")
#: SQLite, by the last byte of its error code: the file is locked
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
#: SQLite, likewise: the problem with the file, and what to do
_FILE_FAULTS = {
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Check its folder's permissions"),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "Check its permissions"),
    sqlite3.SQLITE_NOTADB: ("the file is not a SQLite database", "Move it away"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "Restore it from a backup"),
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space"),
    sqlite3.SQLITE_IOERR: ("the disk cannot be read or written", "Check the disk"),
}
_ANOTHER_FILE = "set TAGSWEEP_DATABASE_URL to another file"


@contextmanager
def translated() -> Iterator[None]:
    """Raise the drivers' errors as ours, whose type says what happens next."""
    try:
        yield
    except DBAPIError as error:
        raise _ours(error) from error
    except PoolTimeout as error:
        where = database_url.described(settings.load().database_url)
        raise StoreBusy(f"All connections of this process to {where} are in use.") from error
    except (
        PendingRollbackError,
        ResourceClosedError,
    ) as error:  # the connection was lost in the middle
        raise _away(database_url.described(settings.load().database_url), str(error)) from error


def renew(context: ExceptionContext) -> None:
    """Discard a session that may keep refusing what a new one would accept.

    An engine calls this on each error. The session is closed when it returns to the pool: its
    transaction may continue behind a savepoint.
    """
    state = getattr(context.original_exception, "sqlstate", None)
    if state in STALE and context.connection is not None and not context.is_disconnect:
        context.connection.connection.invalidate(soft=True)


def _ours(error: DBAPIError) -> TagsweepError:
    where = database_url.described(settings.load().database_url)
    cause = " ".join(str(error.orig).split())[:300]
    state: str | None = getattr(error.orig, "sqlstate", None)
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig, where, cause)
    if state in BUSY:
        return _busy(where)
    if _is_away(error, state):
        return _away(where, re.sub(r"^connection failed: ", "", cause))
    by_item = bool(state and state.startswith(ROWS))
    return _refused(where, _primary(error) or cause, state, by_item=by_item)


def _of_sqlite(error: sqlite3.Error, where: str, cause: str) -> TagsweepError:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in _LOCKED:
        return _busy(where)
    if code in _FILE_FAULTS:
        return StoreUnavailable(_file_fault(where, code))
    by_item = isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError))
    return _refused(where, cause, None, by_item=by_item)


def _is_away(error: DBAPIError, state: str | None) -> bool:
    """Return whether the server is unreachable or shutting down, and refused no statement."""
    if state is not None:
        return state.startswith(AWAY)
    return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))


def _busy(where: str) -> StoreBusy:
    return StoreBusy(f"The store at {where} is busy: another transaction holds what is needed.")


def _away(where: str, why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"The store at {where} does not answer ({why}). "
        "Start it, or set TAGSWEEP_DATABASE_URL to where it is."
    )


def _refused(where: str, said: str, state: str | None, *, by_item: bool) -> StoreRefused:
    words = f"The store at {where} refuses: {said.rstrip('.')}."
    return StoreRefused(words, said=said, code=state, by_item=by_item)


def _file_fault(where: str, code: int) -> str:
    """Return the problem with SQLite's file, and what to do about it."""
    folder = Path(where.removeprefix("sqlite:///").partition("?")[0]).parent
    problem, advice = _FILE_FAULTS[code]
    if not folder.is_dir():
        problem, advice = "its folder does not exist", "Create it"
    return f"The store at {where} cannot be used: {problem}. {advice}, or {_ANOTHER_FILE}."


def _primary(error: DBAPIError) -> str | None:
    """Return the server's primary message; None on SQLite."""
    return getattr(getattr(error.orig, "diag", None), "message_primary", None)
