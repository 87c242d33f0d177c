"""PostgreSQL that answers but refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from tests.weather.database import HOGS, RIGHTS, ROLE, Database
from tests.weather.refusals import Refusal, Switch, again_and_again, silent


def _altered(on: list[str], off: list[str], *, anew: bool = False) -> Switch[Database]:
    """Run statements to turn it on and off; ``anew``: only new sessions heed them."""

    @contextmanager
    def switch(database: Database) -> Iterator[None]:
        def run(statements: list[str]) -> None:
            database.run(*(one.replace("DATABASE_NAME", database.name) for one in statements))
            if anew:
                database.end_sessions()

        run(on)
        try:
            yield
        finally:
            run(off)

    return switch


@contextmanager
def not_open(database: Database) -> Iterator[None]:
    """Close the database to everybody."""
    order = f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS"
    with database.connect(elsewhere=True) as connection:
        connection.execute(f"{order} false")
        database.end_sessions()
        try:
            yield
        finally:
            connection.execute(f"{order} true")


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Hold a lock on the jobs that keeps everybody out, for longer than any of us waits."""
    with database.connect() as connection, connection.transaction():
        lock = sql.SQL("LOCK TABLE {job} IN ACCESS EXCLUSIVE MODE")
        connection.execute(lock.format(**database.tables(connection)))
        yield


@contextmanager
def cancelling(database: Database) -> Iterator[None]:
    """Cancel whatever statement runs, twenty times a second (an administrator's watchdog)."""
    query = (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
        "WHERE datname = %s AND pid <> pg_backend_pid() AND state = 'active'"
    )
    with (
        database.connect(elsewhere=True) as connection,
        again_and_again(lambda: connection.execute(query, [database.name]), 0.05),
    ):
        yield


@contextmanager
def rejected_by_host(database: Database) -> Iterator[None]:
    """Let pg_hba.conf reject the role, and end its sessions."""
    file = database.server.folder / "data" / "pg_hba.conf"
    usual = file.read_text()
    reload = "SELECT pg_reload_conf()"
    with database.connect(elsewhere=True) as connection:
        file.write_text(f"host all {ROLE} all reject\n{usual}")
        connection.execute(reload)
        database.end_sessions()
        try:
            yield
        finally:
            file.write_text(usual)
            connection.execute(reload)


@contextmanager
def crowded(database: Database) -> Iterator[None]:
    """Let others take every connection there is for those who are no superuser."""
    url = database.server.url.replace("postgres@", f"{HOGS}@")
    held: list[psycopg.Connection[Any]] = []

    def take() -> None:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(url))

    take()
    database.end_sessions()
    try:
        with again_and_again(take, 0.1):
            yield
    finally:
        for one in held:
            one.close()


@contextmanager
def standby(database: Database) -> Iterator[None]:
    """Let the server come back as a standby, which only reads; then promote it."""
    server = database.server
    server.stop()
    (server.folder / "data" / "standby.signal").touch()
    server.start()
    try:
        yield
    finally:
        with database.connect(elsewhere=True) as connection:
            connection.execute("SELECT pg_promote()")


@contextmanager
def stopped(database: Database) -> Iterator[None]:
    """Let the server fall silent."""
    assert database.server.pid
    with silent(database.server.pid):
        yield


def raising(code: str, event: str, table: str) -> Switch[Database]:
    """Return a trigger that raises this SQLSTATE for each row, before ``event`` on ``table``."""
    what = f"USING MESSAGE = 'refused in this weather', ERRCODE = '{code}'"
    function = (
        f"CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql "
        f"SECURITY DEFINER AS $$ BEGIN RAISE EXCEPTION {what}; END $$"
    )
    trigger = (
        f"CREATE TRIGGER refuse BEFORE {event} ON {{{table}}} "
        "FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
    return _altered([function, trigger], [f"DROP TRIGGER refuse ON {{{table}}}"])


def revoked(table: str) -> Switch[Database]:
    """Take the role's rights on a table."""
    return _altered(
        [f"REVOKE ALL ON {{{table}}} FROM {ROLE}"],
        [f"GRANT {RIGHTS} ON {{{table}}} TO {ROLE}"],
    )


def renamed(table: str) -> Switch[Database]:
    """Move a table out of the way."""
    return _altered(
        [f"ALTER TABLE {{{table}}} RENAME TO {table}_away"],
        [f"ALTER TABLE {{{table}_away}} RENAME TO {table}"],
    )


def renamed_column(table: str, column: str) -> Switch[Database]:
    """Give a column another name."""
    rename = f"ALTER TABLE {{{table}}} RENAME COLUMN"
    return _altered([f"{rename} {column} TO gone"], [f"{rename} gone TO {column}"])


#: tables that a worker needs for any job, and those of some
TABLES = ["job", "chunk", "outbox", "removal", "tag", "tag_link", "workspace_tag", "part"]
#: what is refused at each step of a job
STEPS = [
    ("INSERT", "job"),
    ("UPDATE", "job"),
    ("INSERT", "outbox"),
    ("UPDATE", "outbox"),
    ("UPDATE", "tag"),
    ("DELETE", "tag_link"),
    ("INSERT", "tag_link"),
    ("INSERT", "removal"),
    ("INSERT", "chunk"),
    ("DELETE", "workspace_tag"),
]
#: moves the times of tags: the job ends without, and says so
REPORT = ("UPDATE", "tag")
#: the step that is refused with each code
EACH_CODE = ("DELETE", "tag_link")
#: of items: by a trigger's own words, a constraint's, a value's
ITEM_CODES = ["P0001", "23514", "22000"]
#: of statements: disk, memory, cancelled, internal, right, unsupported, unknown, lock, read-only
STATEMENT_CODES = ["53100", "53200", "57014", "XX000", "42501", "0A000", "ZZ999", "40001", "25006"]
_CORE_STEPS = {
    ("P0001", "DELETE", "tag_link"),
    ("ZZ999", "DELETE", "tag_link"),
}

_READ_ONLY = "ALTER DATABASE DATABASE_NAME {} default_transaction_read_only{}"
read_only = _altered(
    [_READ_ONLY.format("SET", " = on")], [_READ_ONLY.format("RESET", "")], anew=True
)
no_login = _altered([f"ALTER ROLE {ROLE} NOLOGIN"], [f"ALTER ROLE {ROLE} LOGIN"], anew=True)
no_connections = _altered(
    [f"ALTER ROLE {ROLE} CONNECTION LIMIT 0"], [f"ALTER ROLE {ROLE} CONNECTION LIMIT -1"], anew=True
)

_SETTINGS: list[Refusal[Database]] = [
    Refusal("read-only", read_only, core=True, ends_sessions=True),
    Refusal("standby", standby),
    Refusal("no-login", no_login, ends_sessions=True),
    Refusal("no-connections", no_connections, ends_sessions=True),
    Refusal("not-open", not_open, ends_sessions=True),
    Refusal("rejected-by-host", rejected_by_host, ends_sessions=True),
    Refusal("crowded", crowded, ends_sessions=True),
    Refusal("cancelling", cancelling),
    Refusal("locked", locked),
    Refusal("silent", stopped),
    Refusal("renamed-column", renamed_column("job", "status")),
]


def _steps(codes: list[str], *, fails_items: bool) -> list[Refusal[Database]]:
    return [
        Refusal(
            f"{code}-{event.lower()}-{table}",
            raising(code, event, table),
            core=(code, event, table) in _CORE_STEPS,
            fails_items=fails_items or (event, table) == REPORT,
        )
        for at, (event, table) in enumerate(STEPS)
        for code in (codes if (event, table) == EACH_CODE else [codes[at % len(codes)]])
    ]


def _each(
    make: Callable[[str], Switch[Database]], what: str, *core: str
) -> list[Refusal[Database]]:
    return [
        Refusal(f"{what}-{one}", make(one), core=one in core, fails_items=one == REPORT[1])
        for one in TABLES
    ]


REFUSALS = [
    *_SETTINGS,
    *_each(revoked, "no-right-on", "job"),
    *_each(renamed, "no-table"),
    *_steps(ITEM_CODES, fails_items=True),
    *_steps(STATEMENT_CODES, fails_items=False),
]
