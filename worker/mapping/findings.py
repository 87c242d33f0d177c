"""What a map means for its tables, in sentences: what is wrong, what is lost, what mends it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from tagsweep.worker import database
from tagsweep.worker.mapping import catalogue, resolving, rights, side_effects
from tagsweep.worker.mapping.catalogue import quoted
from tagsweep.worker.mapping.file import Map
from tagsweep.worker.mapping.finding import Finding
from tagsweep.worker.models.mapped import Fixed, Resource

_INDEXES = text("""
    SELECT array_agg(CAST(attribute.attname AS text) ORDER BY key.place) AS columns
    FROM pg_index AS index
    CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS key (number, place)
    LEFT JOIN pg_attribute AS attribute
        ON attribute.attrelid = index.indrelid AND attribute.attnum = key.number
    WHERE index.indrelid = to_regclass(:table) AND index.indisvalid AND index.indpred IS NULL
      AND index.indexprs IS NULL
    GROUP BY index.indexrelid
""")
_CACHE = text("""
    SELECT seqcache FROM pg_sequence WHERE seqrelid = CAST(
        pg_get_serial_sequence(:table, :column) AS regclass)
""")


def of_map(mapping: Map) -> Iterator[Finding]:
    """Yield what there is to say about the map; raises SettingsError if it does not fit at all."""
    with database.reading() as connection:
        for name in mapping.resources:
            if hidden := list(rights.of_schemas(connection, mapping, name)):
                yield from hidden
                continue
            one = resolving.resource(connection, mapping, name)
            yield from of_resource(connection, one)


def of_resource(connection: Connection, one: Resource) -> Iterator[Finding]:
    """Yield what there is to say about the tables of some resources."""
    links, tags = quoted(one.schema_name, one.table), quoted(one.tags.schema_name, one.tags.table)
    yield Finding(one.name, f"links in {links}, tags in {tags}; ids are {one.kind}.")
    lacking = list(rights.of_tables(connection, one, links, tags))
    yield from lacking
    if rights.hide_rows(lacking):
        return
    yield from _keys(connection, one, links)
    yield from _names(connection, one, tags)
    yield from _negative(connection, one, links, tags)
    yield from _clock(connection, one, links)
    yield from side_effects.of_tables(connection, one, links, tags)
    yield from _required(connection, one)


def _keys(connection: Connection, one: Resource, links: str) -> Iterator[Finding]:
    fixed = [each.column for each in one.fixed]
    columns = _listed([*fixed, one.tag, one.object])
    if not one.unique:
        yield Finding(
            one.name,
            "no unique key is over tag and resource: a resource may carry a tag twice. Such rows "
            "count as one item, and go and come back together.",
            f"CREATE UNIQUE INDEX CONCURRENTLY ON {links} ({columns});",
        )
    rows = connection.execute(_INDEXES, {"table": links}).scalars()
    if not any(_serves(index, one, set(fixed)) for index in rows):
        yield Finding(
            one.name,
            "no index has the tag and then the resource: a job on few of many links reads far more "
            "rows than it removes.",
            f"CREATE INDEX CONCURRENTLY ON {links} ({columns});",
            is_wrong=True,
        )


def _names(connection: Connection, one: Resource, tags: str) -> Iterator[Finding]:
    """Yield what there is to say about the names of tags, and whose they are."""
    key = [one.tags.name, *filter(None, [one.tags.tenant])]
    if not one.tags.unique:
        columns = _listed(key)
        again = f"GROUP BY {columns} HAVING count(*) > 1"
        count = _count(connection, tags, "true", one.tags.fixed, again)
        fixed = [each.column for each in one.tags.fixed if each.value is not None]
        mend = f"CREATE UNIQUE INDEX CONCURRENTLY ON {tags} ({_listed([*key, *fixed])});"
        if count:
            mend = "rename or merge them, or tell them apart by a fixed column of tags in the map"
        yield Finding(
            one.name,
            f"{count} names are those of several tags, and no unique key forbids that: a job that "
            "names such a tag is rejected.",
            mend,
            is_wrong=count > 0,
        )
    if one.tenant_type or one.tags.tenant_type:
        yield Finding(one.name, f"{one.tenants}: a job of any other tenant changes nothing.")


def _negative(connection: Connection, one: Resource, links: str, tags: str) -> Iterator[Finding]:
    """Yield where there are ids below 0, which no job can name."""
    what = {
        "resources": (links, one.object, one.kind, one.fixed),
        "tags": (tags, one.tags.id, one.tags.kind, one.tags.fixed),
    }
    for named, (table, column, kind, fixed) in what.items():
        if kind != "bigint":
            continue
        if _count(connection, table, f"{quoted(column)} < 0", fixed, "LIMIT 1"):
            yield Finding(
                one.name,
                f"there are negative ids of {named} in {table}: jobs leave their links alone.",
                f"give them ids from 0 up, if jobs are to change them ({quoted(column)})",
            )


def _listed(names: list[str]) -> str:
    return ", ".join(map(quoted, names))


def _count(
    connection: Connection, table: str, condition: str, fixed: tuple[Fixed, ...], rest: str
) -> int:
    """Return how many rows, or groups of them, of a table have these fixed columns."""
    conditions = [
        f"{quoted(each.column)} IS NULL"
        if each.value is None
        else f"{quoted(each.column)} = CAST(:fixed_{at} AS {each.type})"
        for at, each in enumerate(fixed)
    ]
    where = " AND ".join([condition, *conditions])
    values = {f"fixed_{at}": each.value for at, each in enumerate(fixed) if each.value is not None}
    query = text(f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {where} {rest}) AS found")  # noqa: S608  # quoted
    return int(connection.execute(query, values).scalar_one())


def _serves(index: list[str], one: Resource, fixed: set[str]) -> bool:
    """Tell whether an index has a range of resources of one tag as one stretch, or nearly so."""
    if one.object not in index:
        return False
    before = set(index[: index.index(one.object)])
    known = fixed | {one.tag} | ({one.tenant} if one.tenant else set())
    return before <= known and (one.tag in index or bool(before))


def _clock(connection: Connection, one: Resource, links: str) -> Iterator[Finding]:
    if one.grows:
        rows = connection.execute(_INDEXES, {"table": links}).scalars()
        if not any(index[0] == one.grows for index in rows):
            mend = f"CREATE INDEX CONCURRENTLY ON {links} ({quoted(one.grows)});"
            what = f"no index begins with {one.grows}: each job reads the whole table at its start."
            yield Finding(one.name, what, mend, is_wrong=True)
        values = {"table": links, "column": one.grows}
        if (connection.execute(_CACHE, values).scalar() or 1) > 1:
            yield Finding(
                one.name,
                f"the sequence of {one.grows} hands out ids in blocks (CACHE): a link added after "
                "a job was accepted may have a lower id, and go.",
            )
    elif not one.created_at:
        yield Finding(
            one.name,
            "nothing says when a link was added: a job also removes links that are added while it "
            "runs, and undoing an attach those that somebody added again.",
            "name a serial key (grows) or a time (created_at) in the map",
        )
    yield from _ageless(connection, one, links)


def _ageless(connection: Connection, one: Resource, links: str) -> Iterator[Finding]:
    """Yield where there are links of which nothing says when they were added."""
    clock = one.grows or one.created_at
    table = catalogue.read(connection, one.schema_name, one.table)
    # without an index that begins with the clock, asking reads the whole table
    if not clock or not table or table.columns[clock].required:
        return
    if _count(connection, links, f"{quoted(clock)} IS NULL", one.fixed, "LIMIT 1"):
        yield Finding(
            one.name,
            f"there are links whose {clock} is NULL: jobs leave them alone, and count them as "
            "absent.",
            f"UPDATE {links} SET {quoted(clock)} = … WHERE {quoted(clock)} IS NULL;",  # noqa: S608  # quoted
        )


def _required(connection: Connection, one: Resource) -> Iterator[Finding]:
    given = {one.tag, one.object, one.tenant, one.created_at, *(each.column for each in one.fixed)}
    table = catalogue.read(connection, one.schema_name, one.table)
    if table and (missing := table.required(given)):
        columns = ", ".join(missing)
        what = f"an attach fails: {columns} of the links may not be null and have no default."
        defaults = (f"ALTER COLUMN {quoted(name)} SET DEFAULT …" for name in missing)
        mend = f"ALTER TABLE {table.name} {', '.join(defaults)};"
        yield Finding(one.name, what, mend)
    tags = one.tags
    table = catalogue.read(connection, tags.schema_name, tags.table)
    given = {tags.name, tags.tenant, tags.created_at, tags.updated_at}
    given |= {each.column for each in tags.fixed} | ({tags.id} if tags.kind == "uuid" else set())
    if tags.create and table and (missing := table.required(given)):
        columns = ", ".join(missing)
        what = f"no tag can be created: {columns} may not be null and have no default."
        yield Finding(one.name, what, "set create = false in the map", is_wrong=True)
