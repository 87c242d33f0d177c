"""Read the tagged resources of a map, ordered by id, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.mapped import Resource
from tagsweep.worker.models.resources import NUMBER
from tagsweep.worker.store import layouts
from tagsweep.worker.store.links import shown

# Each tag of the tenant contributes its next few resources: one stretch of an index each.
_PAGE = """
SELECT DISTINCT near.place
FROM (SELECT {at.tags_id} AS id FROM {at.tags} WHERE {at.tags_own}) AS tag
CROSS JOIN LATERAL (
    SELECT {at.resource} AS place FROM {at.links} WHERE {at.tag} = tag.id AND {at.own} {after}
    GROUP BY {at.resource} ORDER BY {at.resource} {order} LIMIT :limit + :offset
) AS near
ORDER BY near.place {order} LIMIT :limit OFFSET :offset
"""
_THEIRS = "{at.tag} IN (SELECT {at.tags_id} FROM {at.tags} WHERE {at.tags_own}) AND {at.own}"
_COUNT = f"SELECT count(DISTINCT {{at.resource}}) FROM {{at.links}} WHERE {_THEIRS}"  # noqa: S608  # names
_PAIRS = f"""
SELECT DISTINCT {{at.resource}} AS place, {{at.tag}} AS tag FROM {{at.links}}
WHERE {{at.resource}} BETWEEN :low AND :high AND {_THEIRS}
"""  # noqa: S608  # the same


class MappedInventory:
    """The resources of one name that carry tags of a tenant."""

    def __init__(self, connection: Connection, one: Resource, tenant: str) -> None:
        self._connection = connection
        self._one = one
        self._tenant = tenant
        self._at = layouts.of_resource(one)
        self._values = {**layouts.constants(one, tenant), **self._at.tags_values}
        #: another tenant's request finds nothing, and no column has to compare what it cannot hold
        self._empty = self._at.tenant not in (None, tenant) or not one.can_belong_to(tenant)

    def page(
        self, cursor: UUID | None, limit: int, *, back: bool = False, offset: int = 0
    ) -> list[UUID | int]:
        """Return up to ``limit`` ids after ``cursor``, or before it, in descending order."""
        if self._empty:
            return []
        after = "" if cursor is None else f"AND {self._at.resource} {'<' if back else '>'} :low"
        sql = self._at.write(_PAGE, after=after, order="DESC" if back else "ASC")
        values = {**self._values, "limit": limit, "offset": offset, "low": cursor}
        return list(self._connection.execute(typed(sql, self._at.types), values).scalars())

    def count(self) -> int:
        """Return how many there are."""
        if self._empty:
            return 0
        query = typed(self._at.write(_COUNT), self._at.types)
        return int(self._connection.execute(query, self._values).scalar_one())

    def tags_of(self, ids: Sequence[UUID | int]) -> dict[UUID | int, list[dict[str, Any]]]:
        """Return the tags, ordered by name, of each of ``ids``: one page."""
        if not ids:
            return {}
        ends = [UUID(int=id_) if isinstance(id_, int) else id_ for id_ in (min(ids), max(ids))]
        query = typed(self._at.write(_PAIRS), self._at.types).columns(tag=self._at.types["tag"])
        values = {**self._values, "low": ends[0], "high": ends[1]}
        pairs = [(row.place, row.tag) for row in self._connection.execute(query, values)]
        tags = self._tags({tag for _, tag in pairs})
        found: dict[UUID | int, list[dict[str, Any]]] = {}
        for place, tag in sorted(pairs, key=lambda pair: tags[pair[1]]["name"]):
            found.setdefault(place, []).append(tags[tag])
        return found

    def _tags(self, ids: set[UUID]) -> dict[UUID, dict[str, Any]]:
        table = self._at.tag_table
        query = select(table).where(self._at.of_tenant(self._tenant), table.c.id.in_(ids))
        number = self._one.tags.kind == NUMBER
        return {
            row.id: shown(row) | ({"id": row.id.int} if number else {})
            for row in self._connection.execute(query)
        }
