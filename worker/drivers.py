"""What the drivers of the databases say, in our words: where the store is, and what went wrong."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from worker import database_url, settings
from worker.errors import StoreBusy, StoreRefused, StoreUnavailable, TagsweepError

#: lock_not_available, deadlock_detected, serialization_failure
BUSY = ("55P03", "40P01", "40001")
#: classes of SQLSTATE by which constraints, triggers and values of single rows are refused
ROWS = ("22", "23", "27", "44", "P0")
#: what SQLite says of its file, in words that help
_FILE_FAULTS = {
    "unable to open database file": ("it cannot be opened", "See to its folder's permissions"),
    "attempt to write a readonly database": ("it cannot be written", "See to its permissions"),
    "file is not a database": ("the file is no SQLite database", "Move it away"),
    "database disk image is malformed": ("the file is damaged", "Restore it from a backup"),
    "database or disk is full": ("the disk is full", "Make room"),
}
_ANOTHER_FILE = "set TAGSWEEP_DATABASE_URL to another file"


def describe(url: str) -> str:
    """Return where the store is, as a person may be told: no password, a file's whole path."""
    if url.startswith("sqlite:"):
        file = url.partition(":///")[2]
        return f"sqlite:///{Path(file).resolve()}" if file else url
    return database_url.shown(url)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the drivers' errors as ours, which say what happens next."""
    try:
        yield
    except DBAPIError as error:
        raise _ours(error) from error


def _ours(error: DBAPIError) -> TagsweepError:
    where = describe(settings.load().database_url)
    cause = " ".join(str(error.orig).split())[:300]
    state = getattr(error.orig, "sqlstate", None)
    if state in BUSY or "database is locked" in cause:
        return StoreBusy(f"The store at {where} is busy: another transaction holds what is needed.")
    if isinstance(error.orig, sqlite3.Error) and cause in _FILE_FAULTS:
        return StoreUnavailable(_file_fault(where, cause))
    if _refused(error, state):
        by_item = state.startswith(ROWS) if state else isinstance(error, IntegrityError)
        return StoreRefused(_primary(error) or cause, by_item=by_item)
    why = re.sub(r"^connection failed: ", "", cause)
    return StoreUnavailable(
        f"The store at {where} does not answer ({why}). "
        "Start it, or set TAGSWEEP_DATABASE_URL to where it is."
    )


def _file_fault(where: str, cause: str) -> str:
    """Return what is wrong with SQLite's file, and what to do about it."""
    folder = Path(where.removeprefix("sqlite:///").partition("?")[0]).parent
    problem, advice = _FILE_FAULTS[cause]
    if not folder.is_dir():
        problem, advice = "there is no such folder", "Make it"
    return f"The store at {where} cannot be used: {problem}. {advice}, or {_ANOTHER_FILE}."


def _refused(error: DBAPIError, state: str | None) -> bool:
    """Tell whether the server itself refused the statement, and not merely its going away."""
    if state is not None:
        return not state.startswith(("08", "57P", "53"))
    gone = error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return not gone


def _primary(error: DBAPIError) -> str | None:
    """Return what the server itself said, without where and why; None on SQLite."""
    return getattr(getattr(error.orig, "diag", None), "message_primary", None)
