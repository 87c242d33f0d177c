"""The store's schema: upgrade it, or report that it has to be upgraded."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Engine, inspect, text

from tagsweep.worker import database, settings
from tagsweep.worker.database import errors, location, moving
from tagsweep.worker.database.location import MIGRATIONS, known
from tagsweep.worker.errors import SchemaMismatch
from tagsweep.worker.models.tables import metadata
from tagsweep.worker.settings import database_url

__all__ = ["MIGRATIONS", "elsewhere", "known", "move", "ready", "revision", "upgrade", "where"]

#: an advisory lock: a number that nothing else uses on the same PostgreSQL database
LOCK = 7_460_131_208


NO_RIGHT = (
    "This role may not create tables in schema {schema}. Have the database's owner run: "
    "{statement}; then run `tagsweep migrate` again."
)
ELSEWHERE = (
    "Its tables are in schema {schema}, where an older version created them, not in {own}: "
    "stop everything of tagsweep, then `tagsweep migrate --move` moves them."
)
FOREIGN = (
    "Schema {schema} has other tables under the names of ours ({tables}): set TAGSWEEP_SCHEMA "
    "to the name of a schema for tagsweep alone."
)


def where() -> str:
    """Return where the store is, as people may see it: without a password, a file's whole path."""
    return database_url.described(settings.load().database_url)


def upgrade() -> str:
    """Create or upgrade the schema, under a lock; return the revision that it now has.

    A store that an older version created stays where it is. Raises SchemaMismatch if this role has
    no right to do so, or if other tables are in the way.
    """
    engine = database.engine()
    with errors.translated():
        if engine.dialect.name == "sqlite":
            _write_ahead(engine)
        with engine.begin() as connection:
            _alone(connection, LOCK)
            if revision(connection) != known()[-1]:
                _migrate(connection)
            return str(revision(connection))


def move() -> str | None:
    """Move the store to the schema that TAGSWEEP_SCHEMA names, and upgrade it: all or nothing.

    Return the schema where it was; None if there is nothing to move. Raises SchemaMismatch, which
    says why nothing was changed.
    """
    engine, own = database.engine(), settings.load().schema_name
    if engine.dialect.name == "sqlite":
        return None
    with errors.translated(), engine.begin() as connection:
        _alone(connection, LOCK)
        _alone(connection, location.MOVE_LOCK)
        where = locate(connection)
        if (
            where is None
            or where.schema is None
            or where == location.Location(own, location.VERSIONS)
        ):
            return None
        moving.check(connection)
        _migrate(connection)
        if where.schema != own:
            _make(connection, own)
            moving.move(connection, where.schema, own)
    engine.dispose()  # the next connection finds it
    return where.schema


def ready() -> None:
    """Ensure that the schema is this version's; that of a SQLite file is upgraded if necessary.

    Raises SchemaMismatch for an outdated schema on a server, which `tagsweep migrate` upgrades, and
    for a schema newer than this version knows.
    """
    with database.reading() as connection:
        current = revision(connection)
    head = known()[-1]
    if current == head:
        return
    where = database_url.described(settings.load().database_url)
    if current is not None and current not in known():
        raise SchemaMismatch(
            f"The store at {where} has schema {current}, which this version of tagsweep does not "
            f"know: use the newer version that upgraded it."
        )
    if database.engine().dialect.name != "sqlite":
        raise SchemaMismatch(
            f"The store at {where} has schema {current or 'none'}, this version needs {head}: "
            "run `tagsweep migrate`."
        )
    upgrade()


def locate(connection: Connection) -> location.Location | None:
    """Return where the store is; None if there is none yet."""
    return location.find(connection, settings.load().schema_name)


def elsewhere() -> str | None:
    """Return where the store is if it is not in the schema that TAGSWEEP_SCHEMA names.

    With what to do. None if it is there, or if there is no store.
    """
    own = settings.load().schema_name
    with database.reading() as connection:
        where = locate(connection)
    if where is None or where.schema in (None, own):
        return None
    return ELSEWHERE.format(schema=where.schema, own=own)


def revision(connection: Connection) -> str | None:
    """Return the revision of the schema; None if there is none yet."""
    where = locate(connection)
    return location.revision(connection, where) if where else None


def _alone(connection: Connection, lock: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def _migrate(connection: Connection) -> None:
    # imported here: it takes a while, and every command asks for the revision
    from alembic import command
    from alembic.config import Config

    where = locate(connection)
    if connection.dialect.name == "postgresql":
        own = settings.load().schema_name
        if where is None:
            _make(connection, own)
        # only for the migrations, whose statements name no schema
        schema = where.schema if where else own
        connection.exec_driver_sql(f'SET LOCAL search_path TO "{schema}"')
    if where and where.version_table == location.OLD_VERSIONS:
        _adopt(connection, where)
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def _make(connection: Connection, schema: str) -> None:
    """Create the schema if it is missing; raises SchemaMismatch if it cannot take our tables."""
    query = text(
        "SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS base, "
        "has_database_privilege(current_database(), 'CREATE') AS may_create, "
        "to_regnamespace(:name) IS NOT NULL AS there"
    )
    name = f'"{schema}"'
    row = connection.execute(query, {"name": name}).one()
    grant = f"GRANT USAGE, CREATE ON SCHEMA {name} TO {row.role}"
    if not row.there:
        if not row.may_create:
            statement = f"CREATE SCHEMA {name}; {grant}"
            raise SchemaMismatch(NO_RIGHT.format(schema=schema, statement=statement))
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        return
    rights = "SELECT has_schema_privilege(:name, 'CREATE') AND has_schema_privilege(:name, 'USAGE')"
    if not connection.execute(text(rights), {"name": schema}).scalar():
        raise SchemaMismatch(NO_RIGHT.format(schema=schema, statement=grant))
    tables = set(inspect(connection).get_table_names(schema=schema))
    if foreign := tables & {table.name for table in metadata.sorted_tables}:
        shown = ", ".join(sorted(foreign))
        raise SchemaMismatch(FOREIGN.format(schema=schema, tables=shown))


def _adopt(connection: Connection, where: location.Location) -> None:
    """Move our row out of the version table that may be shared with other projects."""
    values = {"revision": location.revision(connection, where)}
    table = (
        f"CREATE TABLE {location.VERSIONS} (version_num VARCHAR(32) NOT NULL, "
        f"CONSTRAINT {location.VERSIONS}_pkc PRIMARY KEY (version_num))"
    )
    connection.execute(text(table))
    insert = f"INSERT INTO {location.VERSIONS} (version_num) VALUES (:revision)"  # noqa: S608  # all names are ours
    connection.execute(text(insert), values)
    gone = f"DELETE FROM {where.versions} WHERE version_num = :revision"  # noqa: S608  # all names are ours
    connection.execute(text(gone), values)


def _write_ahead(engine: Engine) -> None:
    """Switch a SQLite file to write-ahead logging, so that readers never wait for a writer.

    If two processes switch at the same moment SQLite answers "locked" at once, however long the
    timeout; so this step retries until the other process is done.
    """
    deadline = time.monotonic() + database.SQLITE_WAIT_S
    with engine.connect() as connection:
        cursor = connection.connection.cursor()  # outside of any transaction
        while True:
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
