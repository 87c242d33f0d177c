"""The names of a tenant's tags, page by page, with how many links each has, as far as counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, literal, select

from tagsweep.worker.models.tables import tag, tag_link

#: most links of a tag that are counted
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Named:
    """A tag, and how many links it has; one more than COUNTED stands for more."""

    id: UUID
    name: str
    links: int
    updated_at: datetime


def page(connection: Connection, tenant: str, start: str, after: str, limit: int) -> list[Named]:
    """Return up to ``limit`` tags whose names begin with ``start``, after a name, in order."""
    name = tag.c.name
    query = select(name, tag.c.id, tag.c.updated_at).where(tag.c.tenant == tenant, name > after)
    if start:
        query = query.where(name.startswith(start, autoescape=True))
    named = query.order_by(name).limit(limit).subquery()
    first = select(literal(1).label("one")).where(tag_link.c.tag_id == named.c.id)
    some = first.limit(COUNTED + 1).correlate(named).subquery()
    links = select(func.count()).select_from(some).scalar_subquery()
    columns = (named.c.id, named.c.name, links, named.c.updated_at)
    rows = connection.execute(select(*columns).order_by(named.c.name))
    return [Named(*row) for row in rows]
