"""Read the tagged resources of a tenant, ordered by id, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

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


class OwnInventory:
    """The resources of one type, by its number, that carry tags of a tenant."""

    def __init__(self, connection: Connection, number: int, tenant: str) -> None:
        self._connection = connection
        self._number = number
        self._tenant = tenant

    def page(
        self, cursor: UUID | None, limit: int, *, back: bool = False, offset: int = 0
    ) -> list[UUID]:
        """Return up to ``limit`` ids, ascending, of resources that carry any tag, after ``cursor``.

        ``back``: those before it, in descending order. ``offset``: how many of them to skip.
        """
        template = _SQLITE if is_sqlite(self._connection) else _POSTGRESQL
        after = "" if cursor is None else f"AND resource_id {'<' if back else '>'} :cursor"
        statement = Statement(template.format(after=after, order="DESC" if back else "ASC"))
        values: dict[str, Any] = {"tenant": self._tenant, "resource_type": self._number}
        values |= {"limit": limit, "offset": offset}
        if cursor is not None:
            statement = statement.bindparams(bindparam("cursor", type_=Id()))
            values["cursor"] = cursor
        rows = self._connection.execute(statement.columns(resource_id=Id()), values)
        return list(rows.scalars())

    def count(self) -> int:
        """Return how many resources of this type carry any tag of the tenant."""
        query = select(func.count(tag_link.c.resource_id.distinct())).join(tag)
        return int(self._connection.execute(query.where(*self._theirs())).scalar_one())

    def tags_of(self, ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        """Return the tags, ordered by name, of each of ``ids``: one page."""
        if not ids:
            return {}
        # a page is everything between its ends: a range of the key, not a list
        range_of_page = tag_link.c.resource_id.between(min(ids), max(ids))
        query = select(tag_link.c.resource_id, tag).join(tag).order_by(tag.c.name)
        tags: dict[UUID, list[dict[str, Any]]] = {}
        for row in self._connection.execute(query.where(*self._theirs(), range_of_page)):
            tags.setdefault(row.resource_id, []).append(shown(row))
        return tags

    def _theirs(self) -> tuple[ColumnElement[bool], ...]:
        return tag.c.tenant == self._tenant, tag_link.c.resource_type == self._number
