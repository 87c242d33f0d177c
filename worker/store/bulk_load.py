"""Load in bulk the tags and links that jobs act on; safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from sqlalchemy import Connection, bindparam, func, select

from tagsweep.worker.database.dialects import (
    UNPACKED_IDS,
    insert_missing,
    is_sqlite,
    proposed,
    upsert,
)
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.models.tables import (
    Id,
    PackedIds,
    clock,
    tag,
    tag_link,
    workspace,
    workspace_tag,
)

# an existing link stays as it is, and keeps its time
_LINK_POSTGRESQL = Statement("""
INSERT INTO @tag_link (tag_id, resource_type, resource_id)
SELECT :tag, :resource_type, listed.id FROM unnest(:ids) AS listed (id)
ON CONFLICT DO NOTHING
""").bindparams(bindparam("ids", type_=PackedIds()), bindparam("tag", type_=Id()))

_LINK_SQLITE = Statement(f"""
INSERT INTO @tag_link (tag_id, resource_type, resource_id)
SELECT :tag, :resource_type, listed.id FROM {UNPACKED_IDS} AS listed WHERE true
ON CONFLICT DO NOTHING
""").bindparams(bindparam("ids", type_=PackedIds()), bindparam("tag", type_=Id()))  # noqa: S608  # both texts are ours


def create_tags(connection: Connection, tenant: str, ids: Mapping[str, UUID]) -> None:
    """Create those of the tenant's tags of these names that are missing, under these ids."""
    # sorted, so that two transactions that create the same tags wait, and do not deadlock
    rows = [{"id": ids[name], "tenant": tenant, "name": name} for name in sorted(ids)]
    connection.execute(insert_missing(connection, tag), rows)


def ensure_tag(connection: Connection, tenant: str, name: str) -> UUID:
    """Return the id of the tenant's tag of this name, which is created if it is missing."""
    create_tags(connection, tenant, {name: uuid4()})
    query = select(tag.c.id).where(tag.c.tenant == tenant, tag.c.name == name)
    tag_id: UUID = connection.execute(query).scalar_one()
    return tag_id


def link(connection: Connection, tag_id: UUID, resource_type: int, ids: bytes) -> None:
    """Put the tag on resources of one type; ``ids``: packed, at least one."""
    values = {"tag": tag_id, "resource_type": resource_type, "ids": ids}
    if is_sqlite(connection):
        connection.execute(_LINK_SQLITE, {**values, "bytes": len(ids)})
    else:
        connection.execute(_LINK_POSTGRESQL, values)


def set_workspace_tags(
    connection: Connection,
    tenant: str,
    workspace_id: str,
    values: Mapping[tuple[str, bool], str],
    name: str | None = None,
) -> None:
    """Set tags of a workspace, which is created if it is missing: (key, system or not) to value.

    A key has one value: a different value replaces it, and the tag counts as set now. ``name``:
    the workspace's, if it is to have another than now.
    """
    adding = insert_missing(connection, workspace)
    if name is not None:
        adding = upsert(connection, workspace, {"name": proposed(workspace).name})
    connection.execute(adding, {"tenant": tenant, "id": workspace_id, "name": name})
    if not values:
        return
    place = {"tenant": tenant, "workspace_id": workspace_id}
    rows = [
        {**place, "key": key, "system": system, "value": value}
        for (key, system), value in sorted(values.items())
    ]
    new = proposed(workspace_tag)
    update = {"value": new.value, "created_at": new.created_at}
    another = workspace_tag.c.value != new.value
    connection.execute(upsert(connection, workspace_tag, update, another), rows)


def has_workspace(connection: Connection, tenant: str, name: str) -> bool:
    """Return whether the tenant has this workspace."""
    query = select(workspace.c.id).where(workspace.c.tenant == tenant, workspace.c.id == name)
    return connection.execute(query).first() is not None


def from_the_future(connection: Connection) -> int:
    """Return how many links and workspace tags have a time in the future; reads all of them.

    No job removes them: to every job they were attached after its acceptance.
    """
    tables = (tag_link, workspace_tag)
    queries = (select(func.count()).where(table.c.created_at > clock()) for table in tables)
    return sum(int(connection.execute(query).scalar_one()) for query in queries)
