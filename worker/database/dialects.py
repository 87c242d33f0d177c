"""What PostgreSQL and SQLite write differently: an upsert, and a list of values of any length."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Table,
    Text,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

Insert = postgresql.Insert | sqlite.Insert

#: what builds an INSERT that knows ON CONFLICT, by the name of the dialect
INSERTS: dict[str, Callable[[Table], Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}

#: SQLite: the ids that ``:ids`` packs in ``:bytes`` bytes, as a subquery with the column ``id``
UNPACKED_IDS = """(
    WITH RECURSIVE at (byte) AS (
        SELECT 1 UNION ALL SELECT byte + 16 FROM at WHERE byte + 16 < :bytes
    )
    SELECT substr(:ids, byte, 16) AS id FROM at
)"""


def is_sqlite(connection: Connection) -> bool:
    """Return whether the store is a SQLite file; else it is PostgreSQL."""
    return connection.dialect.name == "sqlite"


def insert_missing(connection: Connection, table: Table) -> Insert:
    """Return an INSERT into ``table`` that leaves an existing row as it is."""
    return INSERTS[connection.dialect.name](table).on_conflict_do_nothing()


def upsert(
    connection: Connection,
    table: Table,
    update: Mapping[str, Any],
    where: ColumnElement[bool] | None = None,
) -> Insert:
    """Return an INSERT into ``table`` that instead updates a row of the same primary key.

    ``update``: new values by column, which may refer to the row that was to be inserted
    (``proposed``); ``where``: only a row for which this holds is updated.
    """
    return INSERTS[connection.dialect.name](table).on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=update, where=where
    )


def proposed(table: Table) -> Any:
    """Return the columns of the row that an ``upsert`` into ``table`` was to insert."""
    return table.alias("excluded").c


def among(
    connection: Connection, column: ColumnElement[Any], names: Sequence[str]
) -> ColumnElement[bool]:
    """Return the condition that ``column``, a text, is one of ``names``.

    They travel as one value: a statement has only so many places for values.
    """
    if is_sqlite(connection):
        return column.in_(select(func.json_each(json.dumps(names)).table_valued("value").c.value))
    return column == any_(bindparam(None, list(names), type_=ARRAY(Text), unique=True))
