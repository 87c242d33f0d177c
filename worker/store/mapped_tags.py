"""What a layout has of the tags of a map, and the SQL of what maps say of columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, String, Table

from tagsweep.worker.models.mapped import Fixed, Resource, TagTable
from tagsweep.worker.models.tables import Id, Moment, Number
from tagsweep.worker.store.statements import quoted


def of(tags: TagTable) -> dict[str, Any]:
    """Return what a layout has of tags; their bind parameters have other names than links'."""
    values = [
        (each.column, f"CAST(:tags_fixed_{at} AS {each.type})")
        for at, each in enumerate(given(tags.fixed))
    ]
    null = [(each.column, "NULL") for each in tags.fixed if each.value is None]
    # our record has no negative ids
    natural = [f"{quoted(tags.id)} >= 0"] if tags.kind == "bigint" else []
    fixed = " AND ".join([*natural, *(equals(column, value) for column, value in (*values, *null))])
    owner = _owner(tags)
    own = f"{owner} = :tenant" if tags.tenant else "true"
    new = {tags.name: "new.name"} | ({tags.id: "new.id"} if tags.kind == "uuid" else {})
    new |= ({tags.tenant: tenant(tags)} if tags.tenant else {}) | dict([*values, *null])
    new |= {name: "clock_timestamp()" for name in (tags.created_at, tags.updated_at) if name}
    return {
        "tag_table": _table(tags),
        "tags": quoted(tags.schema_name, tags.table),
        "tags_id": quoted(tags.id),
        "tags_name": quoted(tags.name),
        "tags_owner": owner,
        "tags_shown": _shown(tags, owner),
        "tag_type": tags.kind,
        "this_tag": read(":tag", tags.kind),
        "tenant": tags.tenant_fixed,
        "tenant_type": tags.tenant_type,
        "updated": "updated_at" if tags.updated_at else None,
        "counter": tags.counter and quoted(tags.counter),
        "creates": tags.create,
        "tags_fixed": fixed,
        "tags_own": f"{own} AND {fixed}" if fixed else own,
        "tags_values": {f"tags_fixed_{at}": one.value for at, one in enumerate(given(tags.fixed))},
        "tags_inserted": ", ".join(map(quoted, new)),
        "tags_inserting": ", ".join(new.values()),
    }


def equals(column: str, value: str, table: str = "") -> str:
    """Return the condition that a column has a value, which may be NULL."""
    return f"{table}{quoted(column)} {'IS NULL' if value == 'NULL' else f'= {value}'}"


def read(column: str, kind: str) -> str:
    """Return the SQL of an id as the UUID by which our record knows it."""
    if kind == "uuid":
        return column
    return f"CAST(lpad(to_hex(CAST({column} AS bigint)), 32, '0') AS uuid)"


def given(fixed: tuple[Fixed, ...]) -> list[Fixed]:
    """Return those of the fixed columns that are not NULL."""
    return [each for each in fixed if each.value is not None]


def tenant(of: Resource | TagTable) -> str:
    """Return the SQL of a tenant as its column is."""
    return f"CAST(CAST(:tenant AS text) AS {of.tenant_type})" if of.tenant_type else ":tenant"


def _owner(tags: TagTable) -> str:
    """Return the SQL of the tenant that a tag belongs to, as text."""
    if not tags.tenant:
        return f"'{tags.tenant_fixed}'"  # of letters, digits and hyphens
    column = quoted(tags.tenant)
    return f"CAST({column} AS text)" if tags.tenant_type else column


def _shown(tags: TagTable, owner: str) -> str:
    columns = {"id": read(quoted(tags.id), tags.kind), "tenant": owner, "name": quoted(tags.name)}
    times = {"created_at": tags.created_at, "updated_at": tags.updated_at}
    columns |= {key: f"CAST({quoted(name)} AS timestamptz)" for key, name in times.items() if name}
    return ", ".join(f"{sql} AS {key}" for key, sql in columns.items())


def _table(tags: TagTable) -> Table:
    columns: list[Column[Any]] = [
        Column(tags.id, Number() if tags.kind == "bigint" else Id(), key="id", primary_key=True),
        Column(tags.name, String, key="name"),
    ]
    if tags.tenant:
        columns.append(Column(tags.tenant, String, key="tenant"))
    times = {"created_at": tags.created_at, "updated_at": tags.updated_at}
    columns += [Column(name, Moment, key=key) for key, name in times.items() if name]
    return Table(tags.table, MetaData(), *columns, schema=tags.schema_name)
