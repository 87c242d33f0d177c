"""The tags of many small jobs, in one table: found by name, created and updated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, TextClause, update

from tagsweep.worker.database import pipelines
from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.models.tables import tag
from tagsweep.worker.store import links, new_tags, statements
from tagsweep.worker.store.batches.work import Changes, Later, Place
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.tags import counters

#: tags as the contract shows them, by tenant and name
Tags = dict[Place, dict[str, Any]]

_MATCH = """
SELECT {at.tags_shown} FROM {at.tags}
WHERE ({at.tags_owner}, {at.tags_name}) IN (
    SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:names AS text[]))
) AND {fixed}
"""
# two batches of the same tags would deadlock if each took them in an order of its own
_MOVE = """
WITH held AS (
    SELECT {at.tags_id} AS of_ours FROM {at.tags}
    WHERE {at.tags_owner} = ANY (CAST(:tenants AS text[])) AND {at.tags_id} = ANY (:tags)
      AND {fixed}
    ORDER BY {at.tags_id} FOR NO KEY UPDATE
)
UPDATE {at.tags} AS moved SET {column} = :now FROM held WHERE moved.{at.tags_id} = of_ours
"""
_MOVE_MAPPED = _MOVE + "RETURNING {at.tags_shown}"  # a trigger may write another time


@dataclass(frozen=True, slots=True)
class Matched:
    """The tags that jobs name."""

    tags: Tags = field(default_factory=dict)
    ambiguous: frozenset[Place] = frozenset()  #: names that several tags have


@cache
def _over(at: Layout, sql: str) -> TextClause:
    column = ""
    if at.updated:
        column = statements.quoted(at.tag_table.c[at.updated].name)
    return statements.over(at, sql, fixed=at.tags_fixed or "true", column=column)


def match(connection: Connection, at: Layout, names: Iterable[Place]) -> Later[Matched]:
    """Return those of the named tags that there are."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return Matched
    if is_sqlite(connection):
        matched = Matched(_match_by_tenant(connection, wanted))
        return lambda: matched
    values = {"tenants": [one[0] for one in wanted], "names": [one[1] for one in wanted]}
    rows = pipelines.send(connection, _over(at, _MATCH), values | at.tags_values)
    return lambda: _matched(rows())


def _matched(rows: Iterable[Any]) -> Matched:
    tags: Tags = {}
    ambiguous = set()
    for row in rows:
        place = (row.tenant, row.name)
        if place in tags:
            ambiguous.add(place)
        tags[place] = links.shown(row)
    return Matched(tags, frozenset(ambiguous))


def _match_by_tenant(connection: Connection, wanted: list[Place]) -> Tags:
    names: dict[str | None, list[str]] = defaultdict(list)
    for tenant, name in wanted:
        names[tenant].append(name)
    return {
        (tenant, name): shown
        for tenant, some in names.items()
        for name, shown in links.tags(connection, tenant, some).items()
    }


def create(connection: Connection, at: Layout, names: Collection[Place]) -> Tags:
    """Create the tags of these tenants and names where they are missing; return them."""
    missing: dict[str, dict[str, UUID]] = defaultdict(dict)
    for tenant, name in names:
        missing[str(tenant)][name] = uuid4()
    for tenant, ids in sorted(missing.items()):
        new_tags.create(connection, at, tenant, ids)
    return match(connection, at, names)().tags


def move(
    connection: Connection, at: Layout, changes: Changes, now: datetime
) -> Later[dict[str, dict[str, Any]]]:
    """Set ``updated_at`` of all tags of which a link was changed, and move their counters.

    Return the tags as they are then, by id, if the table is mapped: of our own, what is written is
    known.
    """
    if not changes.tags or not (at.updated or at.counter):
        return dict
    if is_sqlite(connection):
        these = tag.c.tenant.in_(set(changes.tags.values())), tag.c.id.in_(changes.tags)
        connection.execute(update(tag).where(*these).values(updated_at=now))
        return dict
    counters.move(connection, at, changes.lines)
    if not at.updated:
        return dict
    sql = _over(at, _MOVE_MAPPED if at.mapped else _MOVE)
    rows = pipelines.send(connection, sql, _values(at, changes.tags) | {"now": now})
    return lambda: {str(row.id): links.shown(row) for row in rows()}


def _values(at: Layout, tags: Mapping[UUID, str | None]) -> dict[str, Any]:
    packed = b"".join(one.bytes for one in tags)
    return {"tenants": list(set(tags.values())), "tags": packed, **at.tags_values}
