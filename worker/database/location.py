"""Where the store's tables are: in their own schema, or where an older version created them.

Every statement names the schema, so that no ``search_path`` decides which tables it uses. A store
created before there was an own schema stays where it is until it is moved; its columns and the
revision in its version table tell it apart from another project's tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, event

from tagsweep.worker.models.tables import SCHEMA

MIGRATIONS = Path(__file__).parents[1] / "migrations"
VERSIONS = "tagsweep_version"
#: the former name of our version table, and the name of other projects'
OLD_VERSIONS = "alembic_version"
#: an advisory lock: exclusive to move the store, shared to look it up
MOVE_LOCK = 7_460_131_209
#: columns that every revision has, and no other project
_OURS = (
    ("job", "fingerprint"),
    ("job", "probe_sent_at"),
    ("tag_link", "resource_type"),
    ("removal", "ids"),
    ("workspace_removal", "system"),
    ("outbox", "answered_at"),
    ("set_aside", "task_id"),
)
_CANDIDATES = """
SELECT space.nspname, EXISTS (
    SELECT FROM pg_catalog.pg_class AS versions
    WHERE versions.relnamespace = space.oid AND versions.relname = '{versions}'
) AS versioned
FROM pg_catalog.pg_namespace AS space
WHERE space.nspname = ANY (current_schemas(false) || '{{{own},public}}'::name[])
  AND (space.nspname = '{own}' AND EXISTS (
           SELECT FROM pg_catalog.pg_class AS versions
           WHERE versions.relnamespace = space.oid AND versions.relname = '{versions}')
       OR {many} = (
           SELECT count(*) FROM pg_catalog.pg_class AS known
           JOIN pg_catalog.pg_attribute AS known_column ON known_column.attrelid = known.oid
           WHERE known.relnamespace = space.oid AND NOT known_column.attisdropped
             AND (known.relname, known_column.attname) IN ({columns})))
ORDER BY space.nspname = '{own}' DESC, array_position(current_schemas(false), space.nspname)
"""

#: runs one statement and returns its rows
Run = Callable[[str], Sequence[Any]]
_schemas: WeakKeyDictionary[Dialect, str | None] = WeakKeyDictionary()
_borrowed: WeakKeyDictionary[Engine, str | None] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Location:
    """The location of a store."""

    schema: str | None  #: None on SQLite
    version_table: str

    @property
    def versions(self) -> str:
        """The version table as SQL names it."""
        return (
            self.version_table if self.schema is None else f'"{self.schema}".{self.version_table}'
        )


def known() -> list[str]:
    """Return the revisions that this version knows, oldest first: their files are numbered."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return sorted(file.stem.partition("_")[0] for file in files)


def attach(engine: Engine, own: str) -> None:
    """Make the statements of ``engine`` use the schema in which the store is found.

    Each new connection looks it up, in one round trip, so that a store that was moved while there
    was none is found again. If there is no store yet, it is going to be in the schema ``own``.
    """
    if engine.dialect.name == "sqlite":
        _name(engine.dialect, None)
        return

    def connected(connection: Any, _: Any) -> None:
        try:
            schema = _look(connection, own)
        except BaseException:
            connection.close()
            raise
        if _schemas.get(engine.dialect) != schema:
            _name(engine.dialect, schema)
            engine.clear_compiled_cache()

    event.listen(engine, "connect", connected)


def find(connection: Connection, own: str) -> Location | None:
    """Return where the store is now; None if there is none yet."""
    if connection.dialect.name == "sqlite":
        return _find_sqlite(connection)
    return _find(lambda query: connection.exec_driver_sql(query).all(), own)


@contextmanager
def borrowed(connection: Connection, own: str) -> Iterator[None]:
    """Make our statements on the caller's own connection use the store's schema during the block.

    Afterwards the caller's own schema translation applies again.
    """
    engine = connection.engine
    if engine not in _borrowed:
        where = find(connection, own)
        _borrowed[engine] = where.schema if where else _missing(connection, own)
    before = connection.get_execution_options().get("schema_translate_map")
    connection.execution_options(schema_translate_map={SCHEMA: _borrowed[engine]})
    try:
        yield
    finally:
        connection.execution_options(schema_translate_map=before)


def _missing(connection: Connection, own: str) -> str | None:
    return None if connection.dialect.name == "sqlite" else own


def _name(dialect: Dialect, schema: str | None) -> None:
    """Compile the names of our tables' schema as ``schema``; nothing else changes."""
    names: Any = dialect.preparer(dialect)
    names.schema_for_object = lambda item: schema if item.schema == SCHEMA else item.schema
    dialect.identifier_preparer = names
    _schemas[dialect] = schema


def _look(connection: Any, own: str) -> str:
    """Return the schema of the store as seen by ``connection``, a new one of psycopg.

    Waits until a move of the store that is under way has ended.
    """

    def run(query: str) -> Sequence[Any]:
        cursor = connection.cursor()
        # as text: two statements in one round trip, each with its own view of the catalogue
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({MOVE_LOCK}); {query}", binary=False)
        cursor.nextset()
        rows: Sequence[Any] = cursor.fetchall()
        cursor.close()
        return rows

    before, connection.autocommit = connection.autocommit, True
    where = _find(run, own)
    connection.autocommit = before
    return where.schema or own if where else own


def _find(run: Run, own: str) -> Location | None:
    columns = ", ".join(str(pair) for pair in _OURS)
    query = _CANDIDATES.format(own=own, versions=VERSIONS, columns=columns, many=len(_OURS))
    for schema, versioned in run(query):
        if versioned:
            return Location(schema, VERSIONS)
        old = Location(schema, OLD_VERSIONS)
        there = f"SELECT 1 WHERE to_regclass('{old.versions}') IS NOT NULL"
        if run(there) and run(_our_revision(old)):
            return old
    return None


def _our_revision(old: Location) -> str:
    ours = ", ".join(f"'{number}'" for number in known())
    return f"SELECT version_num FROM {old.versions} WHERE version_num IN ({ours})"  # noqa: S608  # all names are ours


def _find_sqlite(connection: Connection) -> Location | None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = set(connection.exec_driver_sql(query).scalars())
    if VERSIONS in tables:
        return Location(None, VERSIONS)
    old = Location(None, OLD_VERSIONS)
    if {OLD_VERSIONS, *(table for table, _ in _OURS)} <= tables and connection.exec_driver_sql(
        _our_revision(old)
    ).first():
        return old
    return None


def revision(connection: Connection, where: Location) -> str | None:
    """Return the revision of the store at ``where``."""
    query = f"SELECT version_num FROM {where.versions}"  # noqa: S608  # all names are ours
    if where.version_table == OLD_VERSIONS:
        query = _our_revision(where)
    number: str | None = connection.exec_driver_sql(query).scalar()
    return number
