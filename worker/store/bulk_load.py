"""The tags and links that jobs act on: put them there in bulk. Safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from sqlalchemy import Connection, Table, and_, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tagsweep.worker.models.statements import Statement
from tagsweep.worker.models.tables import (
    tag,
    tag_link,
    workspace,
    workspace_tag,
)
from tagsweep.worker.models.types import Id, PackedIds, clock

# a link that is there already is left as it is, with the time at which it came to be
_LINK_POSTGRESQL = Statement("""
INSERT INTO @tag_link (tag_id, resource_type, resource_id)
SELECT :tag, :resource_type, listed.id FROM unnest(:ids) AS listed (id)
ON CONFLICT DO NOTHING
""").bindparams(bindparam("ids", type_=PackedIds()), bindparam("tag", type_=Id()))

_LINK_SQLITE = Statement("""
WITH RECURSIVE at (byte) AS (
    SELECT 1 UNION ALL SELECT byte + 16 FROM at WHERE byte + 16 < :bytes
)
INSERT INTO @tag_link (tag_id, resource_type, resource_id)
SELECT :tag, :resource_type, substr(:ids, byte, 16) FROM at WHERE true
ON CONFLICT DO NOTHING
""").bindparams(bindparam("ids", type_=PackedIds()), bindparam("tag", type_=Id()))


def create_tags(connection: Connection, tenant: str, ids: Mapping[str, UUID]) -> None:
    """Create the tenant's tags of these names, under these ids, where they are missing."""
    # in one order, so that two that create the same ones wait, and do not deadlock
    rows = [{"id": ids[name], "tenant": tenant, "name": name} for name in sorted(ids)]
    statement = _dialect(connection).insert(tag).on_conflict_do_nothing()
    connection.execute(statement, rows)


def ensure_tag(connection: Connection, tenant: str, name: str) -> UUID:
    """Return the id of the tenant's tag of this name, which is created where it is missing."""
    create_tags(connection, tenant, {name: uuid4()})
    query = select(tag.c.id).where(tag.c.tenant == tenant, tag.c.name == name)
    found: UUID = connection.execute(query).scalar_one()
    return found


def link(connection: Connection, tag_id: UUID, resource_type: int, ids: bytes) -> None:
    """Put the tag on the resources ``ids``, packed, not empty, of one type."""
    values = {"tag": tag_id, "resource_type": resource_type, "ids": ids}
    if connection.dialect.name == "sqlite":
        connection.execute(_LINK_SQLITE, {**values, "bytes": len(ids)})
    else:
        connection.execute(_LINK_POSTGRESQL, values)


def set_workspace_tags(
    connection: Connection, tenant: str, name: str, values: Mapping[tuple[str, bool], str]
) -> None:
    """Give a workspace, created where it is missing, its tags: (key, system or not) to value.

    One value per key: another value replaces the one before and counts as set anew.
    """
    dialect = _dialect(connection)
    place = {"tenant": tenant, "id": name}
    connection.execute(dialect.insert(workspace).values(place).on_conflict_do_nothing())
    if not values:
        return
    rows = [
        {"tenant": tenant, "workspace_id": name, "key": key, "system": system, "value": value}
        for (key, system), value in sorted(values.items())
    ]
    statement = dialect.insert(workspace_tag)
    new = statement.excluded
    columns: Table = workspace_tag
    upsert = statement.on_conflict_do_update(
        index_elements=["tenant", "workspace_id", "system", "key"],
        set_={"value": new.value, "created_at": new.created_at},
        where=and_(columns.c.value != new.value),
    )
    connection.execute(upsert, rows)


def has_workspace(connection: Connection, tenant: str, name: str) -> bool:
    """Tell whether the tenant has this workspace."""
    query = select(workspace.c.id).where(workspace.c.tenant == tenant, workspace.c.id == name)
    return connection.execute(query).first() is not None


def from_the_future(connection: Connection) -> int:
    """Return how many links and workspace tags bear a time that has not come; reads them all.

    No job removes them: each takes them for attached after it.
    """
    tables = (tag_link, workspace_tag)
    queries = (select(func.count()).where(table.c.created_at > clock()) for table in tables)
    return sum(int(connection.execute(query).scalar_one()) for query in queries)


def _dialect(connection: Connection):  # type: ignore[no-untyped-def]  # noqa: ANN202  # either module
    return postgresql if connection.dialect.name == "postgresql" else sqlite
