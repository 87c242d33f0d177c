"""The tags of a tenant as a list, by name, page by page; with their numbers of links if asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, literal, select

from tagsweep.worker.models.tables import tag, tag_link
from tagsweep.worker.store.links import shown

#: most links of a tag that are counted
MOST_LINKS = 1_000_000


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Which tags of a tenant are listed."""

    tenant: str
    search: str = ""  #: a part of the name, in letters of either case
    names: Sequence[str] = ()  #: only these; none: all

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the filter as SQL."""
        found = [tag.c.tenant == self.tenant]
        if self.search:
            found.append(tag.c.name.icontains(self.search, autoescape=True))
        if self.names:
            found.append(tag.c.name.in_(self.names))
        return found


def count(connection: Connection, wanted: TagFilter) -> int:
    """Return how many tags there are."""
    query = select(func.count()).select_from(tag).where(*wanted.conditions())
    return int(connection.execute(query).scalar_one())


def page(  # noqa: PLR0913  # of what, and from where on
    connection: Connection,
    wanted: TagFilter,
    cursor: str | None,
    limit: int,
    *,
    back: bool = False,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return up to ``limit`` tags after the name ``cursor``.

    ``back``: those before it, in descending order. ``offset``: how many of them to skip.
    """
    name = tag.c.name
    query = select(tag).where(*wanted.conditions()).limit(limit).offset(offset)
    if cursor is not None:
        query = query.where(name < cursor if back else name > cursor)
    return [shown(row) for row in connection.execute(query.order_by(name.desc() if back else name))]


def with_links(connection: Connection, tags: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ``tags``, each with ``links``: on how many resources it is.

    It is counted to MOST_LINKS; ``links_truncated`` is true if there are more.
    """
    return [one | _links(connection, UUID(one["id"])) for one in tags]


def _links(connection: Connection, tag_id: UUID) -> dict[str, Any]:
    some = select(literal(1)).where(tag_link.c.tag_id == tag_id).limit(MOST_LINKS + 1).subquery()
    found = int(connection.execute(select(func.count()).select_from(some)).scalar_one())
    if found > MOST_LINKS:
        return {"links": MOST_LINKS, "links_truncated": True}
    return {"links": found}
