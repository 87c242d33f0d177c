"""The store's schema: bring it up to date, or say that somebody has to."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from worker import database, drivers, settings
from worker.errors import SchemaMismatch

MIGRATIONS = Path(__file__).parent / "migrations"
#: any number that nobody else takes on the same PostgreSQL database
LOCK = 7_460_131_208


def upgrade() -> str:
    """Create or upgrade the schema, alone; return the revision that it now has."""
    engine = database.engine()
    with drivers.translated():
        if engine.dialect.name == "sqlite":
            _write_ahead(engine)
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            if revision(connection) != known()[-1]:
                _migrate(connection)
            return str(revision(connection))


def ready() -> None:
    """Make sure that the schema is this version's: an embedded store is upgraded on the spot.

    Raises SchemaMismatch for a server's database, which `tagsweep migrate` upgrades, and for a
    schema newer than this version knows.
    """
    with database.reading() as connection:
        found = revision(connection)
    head = known()[-1]
    if found == head:
        return
    where = drivers.describe(settings.load().database_url)
    if found is not None and found not in known():
        raise SchemaMismatch(
            f"The store at {where} has schema {found}, which this version of tagsweep does not "
            f"know: use the newer version that upgraded it."
        )
    if database.engine().dialect.name != "sqlite":
        raise SchemaMismatch(
            f"The store at {where} has schema {found or 'none'}, this version needs {head}: "
            "run `tagsweep migrate`."
        )
    upgrade()


def revision(connection: Connection) -> str | None:
    """Return the revision of the schema; None where there is none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def known() -> list[str]:
    """Return the revisions that this version knows, the newest last: their files are numbered."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return sorted(file.stem.partition("_")[0] for file in files)


def _migrate(connection: Connection) -> None:
    # here alone: it takes a while to import, and every command asks for the revision
    from alembic import command
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def _write_ahead(engine: Engine) -> None:
    """Switch a SQLite file to its write-ahead log, once: readers then never wait for a writer.

    SQLite answers "locked" at once where two processes switch at the same moment, however long
    the timeout: so this one step asks again until the other has done it.
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
