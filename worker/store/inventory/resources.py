"""Read the tagged resources of a tenant, ordered by id, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.models.tables import Id, tag, tag_link
from tagsweep.worker.store.links import shown

# Each tag of the tenant contributes its next few resources, one stretch of the primary key each:
# the cost depends on the tenant's own tags, whatever others have in the same table.
_POSTGRESQL = """
SELECT DISTINCT near.resource_id FROM @tag CROSS JOIN LATERAL (
    SELECT resource_id FROM @tag_link
    WHERE tag_id = tag.id AND resource_type = :resource_type {after}
    ORDER BY resource_id {order} LIMIT :limit + :offset
) AS near
WHERE tag.tenant = :tenant ORDER BY near.resource_id {order} LIMIT :limit OFFSET :offset
"""
_SQLITE = """
SELECT DISTINCT resource_id FROM @tag JOIN @tag_link ON tag_id = tag.id
WHERE tag.tenant = :tenant AND resource_type = :resource_type {after}
ORDER BY resource_id {order} LIMIT :limit OFFSET :offset
"""


def page(  # noqa: PLR0913  # the tenant, the type, and which page
    connection: Connection,
    tenant: str,
    resource_type: int,
    cursor: UUID | None,
    limit: int,
    *,
    back: bool = False,
    offset: int = 0,
) -> list[UUID]:
    """Return up to ``limit`` ids, ascending, of resources that carry any tag, after ``cursor``.

    ``back``: those before it, in descending order. ``offset``: how many of them to skip.
    """
    template = _SQLITE if is_sqlite(connection) else _POSTGRESQL
    after = "" if cursor is None else f"AND resource_id {'<' if back else '>'} :cursor"
    statement = Statement(template.format(after=after, order="DESC" if back else "ASC"))
    values: dict[str, Any] = {"tenant": tenant, "resource_type": resource_type}
    values |= {"limit": limit, "offset": offset}
    if cursor is not None:
        statement = statement.bindparams(bindparam("cursor", type_=Id()))
        values["cursor"] = cursor
    return list(connection.execute(statement.columns(resource_id=Id()), values).scalars())


def count(connection: Connection, tenant: str, resource_type: int) -> int:
    """Return how many resources of this type carry any tag of the tenant."""
    query = select(func.count(tag_link.c.resource_id.distinct())).join(tag)
    query = query.where(tag.c.tenant == tenant, tag_link.c.resource_type == resource_type)
    return int(connection.execute(query).scalar_one())


def tags_of(
    connection: Connection, tenant: str, resource_type: int, ids: Sequence[UUID]
) -> dict[UUID, list[dict[str, Any]]]:
    """Return the tags, ordered by name, of each of ``ids``: one page, ascending."""
    if not ids:
        return {}
    # a page is everything between its ends: a range of the key, not a list
    range_of_page = tag_link.c.resource_id.between(ids[0], ids[-1])
    query = select(tag_link.c.resource_id, tag).join(tag).order_by(tag.c.name)
    query = query.where(tag.c.tenant == tenant, tag_link.c.resource_type == resource_type)
    tags: dict[UUID, list[dict[str, Any]]] = {}
    for row in connection.execute(query.where(range_of_page)):
        tags.setdefault(row.resource_id, []).append(shown(row))
    return tags
