"""Whether a process can begin: the store has this version's schema, and the map fits it."""

from __future__ import annotations

from tagsweep.worker import database
from tagsweep.worker.database import schema
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.mapping import file, resolving

ON_SQLITE = (
    "TAGSWEEP_MAP maps tables of PostgreSQL, and the store is a SQLite file: set "
    "TAGSWEEP_DATABASE_URL to the database that has the tables."
)


def check() -> None:
    """Ensure that the store and the map can be used; a SQLite file is upgraded if necessary.

    Raises SchemaMismatch, and SettingsError, which names the line and the key of a fault.
    """
    mapping = file.load()
    if mapping and database.engine().dialect.name == "sqlite":
        raise SettingsError(ON_SQLITE)
    schema.ready()
    if mapping:
        with database.reading() as connection:
            for name in mapping.resources:
                resolving.resource(connection, mapping, name)
