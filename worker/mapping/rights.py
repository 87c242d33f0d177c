"""The rights that jobs need on the tables of a map, and which of them this role lacks."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from tagsweep.worker.mapping.catalogue import quoted
from tagsweep.worker.mapping.file import Map
from tagsweep.worker.mapping.finding import Finding
from tagsweep.worker.models.mapped import Resource

_SCHEMA = text("""
    SELECT quote_ident(current_user) AS role FROM pg_namespace
    WHERE nspname = :schema AND NOT has_schema_privilege(oid, 'USAGE')
""")
_ROLE = text("SELECT quote_ident(current_user)")
_TABLE = text("SELECT has_table_privilege(CAST(to_regclass(:table) AS oid), :right)")
_ANY_COLUMN = text("SELECT has_any_column_privilege(CAST(to_regclass(:table) AS oid), :right)")
_COLUMN = text("SELECT has_column_privilege(CAST(to_regclass(:table) AS oid), :column, :right)")
# those that a default reads; an identity's needs no right
_SEQUENCES = text("""
    SELECT CAST(CAST(relation.oid AS regclass) AS text) AS name
    FROM pg_attrdef AS given
    JOIN pg_depend AS needs ON needs.classid = CAST('pg_attrdef' AS regclass)
        AND needs.objid = given.oid AND needs.refclassid = CAST('pg_class' AS regclass)
    JOIN pg_class AS relation ON relation.oid = needs.refobjid
    WHERE given.adrelid = to_regclass(:table)
      AND CASE relation.relkind WHEN 'S' THEN NOT has_sequence_privilege(relation.oid, 'USAGE') END
    ORDER BY 1
""")


def of_schemas(connection: Connection, mapping: Map, name: str) -> Iterator[Finding]:
    """Yield the schemas of some resources whose tables the role cannot even see."""
    tables = (mapping.resources[name].links, mapping.tags_of(name).table)
    for schema in dict.fromkeys(table.partition(".")[0] for table in tables):
        role = connection.execute(_SCHEMA, {"schema": schema}).scalar()
        if role:
            grant = f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {role};"
            what = f"this role may not use the schema {quoted(schema)}."
            yield Finding(name, what, grant, is_wrong=True)


def of_tables(connection: Connection, one: Resource, links: str, tags: str) -> Iterator[Finding]:
    """Yield the rights that a job on some resources needs and the role lacks."""
    role = connection.execute(_ROLE).scalar_one()
    for table, right, columns in _wanted(one, links, tags):
        for on in _lacking(connection, table, right, columns):
            grant = f"GRANT {right}{on and f' ({on})'} ON {table} TO {role};"
            what = f"this role may not {right}{on and f' {on}'} {'of' if on else 'on'} {table}."
            yield Finding(one.name, what, grant, is_wrong=True)
    for table in (links, tags) if one.tags.create else (links,):
        for sequence in connection.execute(_SEQUENCES, {"table": table}).scalars():
            grant = f"GRANT USAGE ON SEQUENCE {sequence} TO {role};"
            what = f"this role may not use {sequence}, which gives new rows of {table} their keys."
            yield Finding(one.name, what, grant, is_wrong=True)


def hide_rows(lacking: list[Finding]) -> bool:
    """Return whether the role may not read the tables: then nothing can be said of their rows."""
    return any(one.mend is not None and one.mend.startswith("GRANT SELECT") for one in lacking)


def _wanted(one: Resource, links: str, tags: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what jobs do: table, right, and the columns of it; none is the table as a whole."""
    fixed = [each.column for each in one.fixed]
    written = [one.tag, one.object, *fixed, one.tenant, one.created_at]
    written += [name for name, _ in one.kept]
    yield links, "SELECT", _distinct([*written, one.grows])
    yield links, "INSERT", _distinct(written)
    yield links, "DELETE", []
    yield links, "UPDATE", [one.tag]  # by a merge
    of = one.tags
    moved = [of.updated_at, of.counter]
    known = [of.id, of.name, of.tenant, *(each.column for each in of.fixed), of.created_at]
    yield tags, "SELECT", _distinct([*known, *moved])
    # whoever may update nothing cannot lock a tag either, which an attach does
    yield tags, "UPDATE", _distinct(moved)
    if of.create:
        yield tags, "INSERT", _distinct([*known, of.updated_at])


def _distinct(names: list[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _lacking(connection: Connection, table: str, right: str, columns: list[str]) -> Iterator[str]:
    """Yield the columns for which the right is lacking, as SQL; "" is all of the table."""
    known = {"table": table, "right": right}
    if connection.execute(_TABLE, known).scalar():
        return
    if right == "DELETE" or not connection.execute(_ANY_COLUMN, known).scalar():
        yield ""
        return
    lacking = [
        quoted(column)
        for column in columns
        if not connection.execute(_COLUMN, {**known, "column": column}).scalar()
    ]
    if lacking:
        yield ", ".join(lacking)
