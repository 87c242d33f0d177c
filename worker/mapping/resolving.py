"""From the map's words to what the database has: resources, as jobs keep them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tagsweep.worker import database
from tagsweep.worker.mapping import catalogue, columns, file
from tagsweep.worker.mapping.catalogue import Table
from tagsweep.worker.mapping.file import FixedColumns, Links, Map, Select, Tags
from tagsweep.worker.models.mapped import Fixed, Resource, TagTable

NULL = "NULL"


def resource(connection: Connection, mapping: Map, name: str) -> Resource:
    """Return what the map says of some resources, completed by the catalogue."""
    place = ["resources", name]
    links, tags = mapping.resources[name], mapping.tags_of(name)
    own = place if mapping.resources[name].tags else []
    tag_table = _tag_table(connection, tags, [*own, "tags"])
    table = _table(connection, links.links, [*place, "links"])
    named = {key: getattr(links, key) for key in _LINK_COLUMNS}
    columns.check(table, named, place)
    columns.check_written(table, named, place)
    if table.columns[links.object].kind is None:
        file.fail([*place, "object"], columns.of_no_kind(table, links.object))
    columns.check_kind(table, links.object, links.kind, [*place, "kind"])
    columns.check_kind(table, links.tag, tag_table.kind, [*place, "tag"])
    if links.grows:
        columns.check_kind(table, links.grows, "bigint", [*place, "grows"])
    fixed = tuple(_fixed(table, links.fixed, [*place, "fixed"]))
    columns.check_written(table, {name: name for name in links.fixed}, [*place, "fixed"])
    schema, _, bare = links.links.partition(".")
    known = {links.tag, links.object, links.tenant, *links.fixed}
    return Resource(
        name=name,
        schema_name=schema,
        table=bare,
        tags=tag_table,
        kind=links.kind,
        fixed=fixed,
        tenant_type=columns.tenant_type(table, links.tenant, tag_table.tenant_fixed, place),
        kept=_kept(table, links, known),
        unique=_is_unique(table, links.fixed, links.tag, links.object),
        **named,
    )


_LINK_COLUMNS = ("tag", "object", "tenant", "created_at", "grows")
#: of the columns of tags, those that a job writes even if it creates none
_MOVED = ("updated_at", "counter")
_TAG_COLUMNS = ("id", "name", "tenant", "created_at", "updated_at", "counter")


def _kept(table: Table, links: Links, known: set[str | None]) -> tuple[tuple[str, str], ...]:
    new: set[str | None] = set()
    if links.undo == "new-row":
        keys = {name for key in table.unique if len(key) == 1 for name in key}
        new = {links.grows, *(name for name in keys if table.columns[name].given)}
    return tuple(
        (column.name, column.type)
        for column in table.columns.values()
        if not column.generated and column.name not in known | new
    )


def _is_unique(table: Table, fixed: FixedColumns, *columns: str | None) -> bool:
    """Return whether these ``columns``, none of them NULL, are the same in one row at most."""
    known = {*columns, *(name for name, value in fixed.items() if value != NULL)}
    return any(key <= known for key in table.unique)


def _tag_table(connection: Connection, tags: Tags, place: list[str]) -> TagTable:
    table = _table(connection, tags.table, [*place, "table"])
    named = {key: getattr(tags, key) for key in _TAG_COLUMNS}
    columns.check(table, named, place)
    written = _TAG_COLUMNS if tags.create else _MOVED
    columns.check_written(table, {key: named[key] for key in written}, place)
    kind = table.columns[tags.id].kind
    if kind is None:
        file.fail([*place, "id"], columns.of_no_kind(table, tags.id))
    schema, _, bare = tags.table.partition(".")
    return TagTable(
        schema_name=schema,
        table=bare,
        kind=kind,
        tenant_fixed=tags.tenant_fixed,
        tenant_type=columns.tenant_type(table, tags.tenant, None, place),
        create=tags.create,
        unique=_is_unique(table, tags.fixed, tags.name, tags.tenant),
        fixed=tuple(_fixed(table, tags.fixed, [*place, "fixed"])),
        **named,
    )


def _table(connection: Connection, name: str, place: list[str]) -> Table:
    schema, _, bare = name.partition(".")
    table = catalogue.read(connection, schema, bare)
    if table is None:
        file.fail(place, f"there is no table {name} that this role can see")
    if not table.is_table:
        file.fail(place, f"{name} is a view: name the table that it reads")
    return table


def _fixed(table: Table, fixed: FixedColumns, place: list[str]) -> Iterator[Fixed]:
    columns.check(table, {name: name for name in fixed}, place)
    for column, value in fixed.items():
        found = _selected(value.select, (*place, column)) if isinstance(value, Select) else value
        given = None if found == NULL else found
        yield Fixed(column=column, type=table.columns[column].type, value=given)


@cache
def _selected(query: str, place: tuple[str, ...]) -> str:
    """Return the one value that a query of the map gives, as it was at this process's start."""
    try:
        with database.engine().connect().execution_options(reading=True) as connection:
            rows = connection.exec_driver_sql(query.replace("%", "%%")).all()
    except DBAPIError as error:
        said = str(error.orig).splitlines()[0]
        file.fail(list(place), f"the database refuses its SELECT: {said}")
    if len(rows) != 1 or len(rows[0]) != 1 or rows[0][0] is None:
        file.fail(list(place), f"its SELECT gives {len(rows)} rows: it has to give one value")
    return str(rows[0][0])
