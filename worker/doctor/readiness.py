"""Whether the store accepts jobs: one is inserted and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, Table, insert, text

from tagsweep.worker import database
from tagsweep.worker.errors import StoreBusy, StoreRefused
from tagsweep.worker.models.tables import (
    alarm,
    audit_entry,
    chore,
    failover,
    feed,
    job,
    lease,
    metadata,
    throttle,
)

#: the rights that workers, gateways and commands need on a table; fewer on those in ``_LESS``
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
_LESS = {
    alarm: ("SELECT", "UPDATE"),
    audit_entry: ("SELECT", "INSERT", "DELETE"),
    chore: ("SELECT", "UPDATE"),
    failover: ("SELECT", "INSERT"),
    feed: ("SELECT", "UPDATE"),
    lease: ("SELECT", "UPDATE"),
    throttle: ("SELECT", "UPDATE"),
}
#: seconds that the attempt waits for a lock
LOCK_S = 1
#: the tables that are missing, and the rights that are not granted
_MISSING = text("""
SELECT name, wanted, to_regclass(name) IS NULL AS gone
FROM unnest(CAST(:names AS text[]), CAST(:rights AS text[])) AS needed (name, wanted)
WHERE to_regclass(name) IS NULL OR NOT has_table_privilege(to_regclass(name), wanted)
""")
_MODE = text("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')")

STANDBY = "it is a standby, which is read-only"
LOCKED = "another transaction locks its tables"
READ_ONLY = "it is set to read-only (default_transaction_read_only)"


def problem() -> str | None:
    """Return in a few words why no job can be recorded in the store; None if one can.

    The words do not contain the store's address and are safe to show to anyone. Raises
    StoreUnavailable.
    """
    try:
        with database.reading() as connection, _impatient(connection):
            if mode := _mode(connection):
                return mode
            connection.execute(insert(job).values(**_tried()))
            connection.rollback()
    except StoreRefused as error:
        return error.said
    except StoreBusy:
        if database.engine().dialect.name == "sqlite":  # another process is writing
            return None
        return LOCKED
    return None


def rights_on(table: Table | None) -> tuple[str, ...]:
    """Return the rights needed on a table of ours; None stands for the table of the version."""
    return ("SELECT",) if table is None else _LESS.get(table, RIGHTS)


def missing() -> list[str]:
    """Return what our role lacks, as ``DELETE on tag_link``, and which tables are missing."""
    with database.reading() as connection:
        if connection.dialect.name == "sqlite":
            return []
        name_of = connection.dialect.identifier_preparer.format_table
        needed = [
            (name_of(table), right)
            for table in metadata.sorted_tables
            for right in rights_on(table)
        ]
        names, rights = zip(*needed, strict=True)
        rows = connection.execute(_MISSING, {"names": list(names), "rights": list(rights)}).all()
    gone = dict.fromkeys(f"the table {row.name}" for row in rows if row.gone)
    return [*gone, *(f"{row.wanted} on {row.name}" for row in rows if not row.gone)]


@contextmanager
def _impatient(connection: Connection) -> Iterator[None]:
    """Wait at most LOCK_S for another transaction, on SQLite not at all."""
    if connection.dialect.name != "sqlite":
        limit = text("SELECT set_config('lock_timeout', :limit, true)")
        connection.execute(limit, {"limit": f"{LOCK_S}s"})
        yield
        return
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {database.SQLITE_WAIT_S * 1000}")


def _mode(connection: Connection) -> str | None:
    if connection.dialect.name == "sqlite":
        return None
    in_recovery, read_only = connection.execute(_MODE).one()
    if in_recovery:
        return STANDBY
    return READ_ONLY if read_only == "on" else None


def _tried() -> dict[str, object]:
    """Return the smallest possible row of a job."""
    return {"id": uuid4(), "kind": "detach", "fingerprint": b"", "head": {}}
