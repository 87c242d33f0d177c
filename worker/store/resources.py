"""The resources of a tenant that carry tags: read in the order of their ids, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select

from tagsweep.worker.database.statements import Statement
from tagsweep.worker.models.tables import tag, tag_link
from tagsweep.worker.models.tables.types import Id
from tagsweep.worker.store.links import shown

# Each tag of the tenant gives its next few resources, one stretch of the primary key each: the cost
# is that of the tenant's own tags, whatever others have in the same table.
_POSTGRESQL = """
SELECT DISTINCT near.resource_id FROM @tag CROSS JOIN LATERAL (
    SELECT resource_id FROM @tag_link
    WHERE tag_id = tag.id AND resource_type = :resource_type {beside}
    ORDER BY resource_id {order} LIMIT :most + :offset
) AS near
WHERE tag.tenant = :tenant ORDER BY near.resource_id {order} LIMIT :most OFFSET :offset
"""
_SQLITE = """
SELECT DISTINCT resource_id FROM @tag JOIN @tag_link ON tag_id = tag.id
WHERE tag.tenant = :tenant AND resource_type = :resource_type {beside}
ORDER BY resource_id {order} LIMIT :most OFFSET :offset
"""


def page(  # noqa: PLR0913  # whose, of what, from where on
    connection: Connection,
    tenant: str,
    resource_type: int,
    beside: UUID | None,
    most: int,
    *,
    back: bool = False,
    offset: int = 0,
) -> list[UUID]:
    """Return ids of resources that carry any tag and follow ``beside``, ascending.

    ``back``: those before it, in the opposite order, nearest first. ``offset``: so many of them
    are passed over.
    """
    template = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    where = "" if beside is None else f"AND resource_id {'<' if back else '>'} :beside"
    statement = Statement(template.format(beside=where, order="DESC" if back else "ASC"))
    values: dict[str, Any] = {"tenant": tenant, "resource_type": resource_type}
    values |= {"most": most, "offset": offset}
    if beside is not None:
        statement = statement.bindparams(bindparam("beside", type_=Id()))
        values["beside"] = beside
    return list(connection.execute(statement.columns(resource_id=Id()), values).scalars())


def count(connection: Connection, tenant: str, resource_type: int) -> int:
    """Return how many resources of this type carry any tag of the tenant."""
    query = select(func.count(tag_link.c.resource_id.distinct())).join(tag)
    query = query.where(tag.c.tenant == tenant, tag_link.c.resource_type == resource_type)
    return int(connection.execute(query).scalar_one())


def tags_of(
    connection: Connection, tenant: str, resource_type: int, ids: Sequence[UUID]
) -> dict[UUID, list[dict[str, Any]]]:
    """Return the tags of each of ``ids``, a page in ascending order, by name."""
    if not ids:
        return {}
    # between its ends a page is all there is: a range of the key, not a list
    range_of_page = tag_link.c.resource_id.between(ids[0], ids[-1])
    query = select(tag_link.c.resource_id, tag).join(tag).order_by(tag.c.name)
    query = query.where(tag.c.tenant == tenant, tag_link.c.resource_type == resource_type)
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in connection.execute(query.where(range_of_page)):
        found.setdefault(row.resource_id, []).append(shown(row))
    return found
