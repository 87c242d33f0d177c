"""What PostgreSQL's catalogue says of a table: its columns, and what is unique in it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import cache

from sqlalchemy import Connection, TextClause, text

from tagsweep.worker.database import pipelines
from tagsweep.worker.models.mapped import Kind

#: the types of columns that can hold ids, and the kind of id
KINDS: dict[str, Kind] = {
    "uuid": "uuid",
    "smallint": "bigint",
    "integer": "bigint",
    "bigint": "bigint",
}

_COLUMNS = text("""
    SELECT relation.relkind AS kind, attribute.attname AS name,
           CASE WHEN type.typnamespace = CAST('pg_catalog' AS regnamespace)
                THEN format_type(attribute.atttypid, attribute.atttypmod)
                ELSE CAST(type.typnamespace AS regnamespace) || '.' || quote_ident(type.typname)
           END AS type, CAST(type.typcategory AS text) AS category,
           (WITH RECURSIVE base (oid) AS (
                SELECT type.oid UNION ALL
                SELECT domain.typbasetype
                FROM base JOIN pg_type AS domain ON domain.oid = base.oid AND domain.typtype = 'd'
            ) SELECT bool_or(base.oid IN (
                CAST('text' AS regtype), CAST('varchar' AS regtype), CAST('name' AS regtype)
            )) FROM base) AS is_text,
           attribute.attnotnull OR type.typnotnull AS required,
           attribute.attgenerated <> '' AS generated,
           attribute.atthasdef OR attribute.attidentity <> '' OR type.typdefault IS NOT NULL
               AS given
    FROM pg_class AS relation
    JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
    JOIN pg_type AS type ON type.oid = attribute.atttypid
    WHERE relation.oid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
""")
_UNIQUE = text("""
    SELECT array_agg(CAST(attribute.attname AS text)) AS columns
    FROM pg_index AS index
    CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS key (number, place)
    LEFT JOIN pg_attribute AS attribute
        ON attribute.attrelid = index.indrelid AND attribute.attnum = key.number
    WHERE index.indrelid = to_regclass(:table) AND index.indisunique AND index.indisvalid
      AND index.indpred IS NULL AND index.indexprs IS NULL AND key.place <= index.indnkeyatts
    GROUP BY index.indexrelid
""")
# A row of the catalogue that is changed is another one, of another transaction.
_VERSION = text("""
    SELECT concat_ws(' ',
        (SELECT string_agg(
                concat_ws(':', attrelid, attnum, attribute.xmin, type.oid, type.xmin,
                          CAST(type.typnamespace AS regnamespace)),
                ',' ORDER BY attrelid, attnum)
            FROM pg_attribute AS attribute JOIN pg_type AS type ON type.oid = atttypid
            WHERE attrelid = ANY (tables) AND attnum > 0),
        (SELECT string_agg(concat_ws(':', indexrelid, xmin), ',' ORDER BY indexrelid)
            FROM pg_index WHERE indrelid = ANY (tables))
    ) AS version
    FROM (SELECT ARRAY[to_regclass(:links), to_regclass(:tags)] AS tables) AS these
""")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: str  #: as SQL has it, whatever the search path is
    category: str  #: of the type: S (text), N (number), D (time) and others
    is_text: bool  #: text, varchar or a domain over one: what is equal is the same text
    required: bool  #: NOT NULL
    generated: bool  #: from other columns
    given: bool  #: by the server, if an INSERT leaves it out

    @property
    def kind(self) -> Kind | None:
        """The kind of id that it can hold; None if it can hold none."""
        return KINDS.get(self.type)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is now."""

    name: str  #: quoted, with its schema
    is_table: bool  #: neither a view nor anything else
    columns: dict[str, Column]
    #: columns of which no two rows have the same values, NULL aside
    unique: tuple[frozenset[str], ...]

    def required(self, given: Collection[str | None]) -> list[str]:
        """Return the columns that an INSERT has to name beside those ``given``."""
        columns = self.columns.values()
        return [
            one.name for one in columns if one.required and not one.given and one.name not in given
        ]


def quoted(*names: str) -> str:
    """Return names as SQL identifiers, joined by dots."""
    return ".".join('"{}"'.format(name.replace('"', '""')) for name in names)


def read(connection: Connection, schema: str, name: str) -> Table | None:
    """Return the table; None if there is none that this role can see."""
    table = quoted(schema, name)
    rows = connection.execute(_COLUMNS, {"table": table}).all()
    if not rows:
        return None
    columns = {
        row.name: Column(**{field.name: getattr(row, field.name) for field in fields(Column)})
        for row in rows
    }
    keys = connection.execute(_UNIQUE, {"table": table}).all()
    unique = tuple(frozenset(row.columns) for row in keys)
    return Table(table, rows[0].kind in ("r", "p"), columns, unique)


def version(connection: Connection, *tables: str) -> Callable[[], str]:
    """Return what is another text once ``read`` would find anything else of these two tables."""
    links, tags = (quoted(*table.split(".", 1)) for table in tables)
    rows = pipelines.send(connection, _VERSION, {"links": links, "tags": tags})
    return lambda: str(rows()[0].version)


def highest(connection: Connection, table: str, column: str) -> Callable[[], int]:
    """Return the highest value of a key that grows; -1 if the table has no rows."""
    rows = pipelines.send(connection, _highest(table, column), {})
    return lambda: int(rows()[0].highest)


@cache
def _highest(table: str, column: str) -> TextClause:
    sql = f"SELECT coalesce(max({quoted(column)}), -1) AS highest FROM {table}"  # noqa: S608  # quoted
    return text(sql)
