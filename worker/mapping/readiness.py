"""Whether a process can begin: the store has this version's schema, and the map fits it."""

from __future__ import annotations

from tagsweep.worker import database
from tagsweep.worker.database import schema
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.mapping import file, resolving
from tagsweep.worker.mapping.file import Map

ON_SQLITE = (
    "TAGSWEEP_MAP is for tables in PostgreSQL, and the store is a SQLite file: set "
    "TAGSWEEP_DATABASE_URL to the database that has the tables."
)


def check() -> None:
    """Ensure that the store and the map can be used; a SQLite file is upgraded if necessary.

    Raises SchemaMismatch, and SettingsError, which names the line and the key of a fault.
    """
    mapping = file.load()
    if mapping:
        refuse_sqlite()
    schema.ready()
    if mapping:
        check_map(mapping)


def refuse_sqlite() -> None:
    """Raise SettingsError if the store is a SQLite file, which no map is for."""
    if database.engine().dialect.name == "sqlite":
        raise SettingsError(ON_SQLITE)


def check_map(mapping: Map) -> None:
    """Ensure that the map fits the database; raises SettingsError."""
    with database.reading() as connection:
        for name in mapping.resources:
            resolving.resource(connection, mapping, name)
