"""Detach and attach: the links of many small jobs, removed or added by one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, TextClause, bindparam, select, update

from tagsweep.worker.database import pipelines
from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.models.tables import Moment, PackedIds, clock, link_change, tag
from tagsweep.worker.store import KINDS, bulk_load, links
from tagsweep.worker.store.batches.work import Changes, Later, Work

#: tags as the contract shows them, by tenant and name
Tags = dict[tuple[str | None, str], dict[str, Any]]

# ``place``: of a chunk, from 1. A link that two chunks ask for is the first one's.
_ITEMS = """
item AS MATERIALIZED (
    SELECT part.tag, part.resource_type, listed.id, min(part.place) AS place
    FROM unnest(CAST(:places AS int[]), :tags, CAST(:resource_types AS smallint[]),
                CAST(:lows AS int[]), CAST(:highs AS int[]))
        AS part (place, tag, resource_type, low, high)
    CROSS JOIN LATERAL unnest((:ids)[part.low:part.high]) AS listed (id)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
)
"""
_KEPT = """
kept AS (
    INSERT INTO @removal (job_id, chunk, run, tag_id, resource_type, ids)
    SELECT (:jobs)[place], (CAST(:numbers AS int[]))[place], 0, tag_id, resource_type,
           array_agg(resource_id ORDER BY resource_id)
    FROM {changed} GROUP BY place, tag_id, resource_type
    RETURNING job_id, chunk, tag_id, cardinality(ids) AS items
)
SELECT job_id, chunk, tag_id, items, clock_timestamp() AS done_at FROM kept
"""
_DETACH = f"""
WITH {_ITEMS}, gone AS (
    DELETE FROM @tag_link AS link USING item
    WHERE link.tag_id = item.tag AND link.resource_type = item.resource_type
      AND link.resource_id = item.id AND link.created_at <= :accepted_at
    RETURNING item.place, link.tag_id, link.resource_type, link.resource_id
), {_KEPT.format(changed="gone")}
"""  # noqa: S608  # all of it is ours
_ATTACH = f"""
WITH {_ITEMS}, added AS (
    INSERT INTO @tag_link (tag_id, resource_type, resource_id)
    SELECT tag, resource_type, id FROM item ORDER BY tag, resource_type, id
    ON CONFLICT DO NOTHING
    RETURNING tag_id, resource_type, resource_id
), {
    _KEPT.format(
        changed='''(
    SELECT item.place, added.* FROM added JOIN item
        ON item.tag = tag_id AND item.resource_type = added.resource_type AND item.id = resource_id
) AS placed'''
    )
}
"""  # noqa: S608  # all of it is ours
_MATCH = Statement("""
    SELECT id, tenant, name, created_at, updated_at FROM @tag
    WHERE (tenant, name) IN (
        SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:names AS text[])))
""")
# two batches of the same tags would deadlock if each took them in an order of its own
_MOVE = Statement("""
    WITH held AS (
        SELECT id FROM @tag WHERE tenant = ANY (CAST(:tenants AS text[])) AND id = ANY (:ids)
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE @tag AS moved SET updated_at = :now FROM held WHERE moved.id = held.id
""").bindparams(bindparam("ids", type_=PackedIds()), bindparam("now", type_=Moment()))


def _typed(sql: str, **more: Any) -> TextClause:
    types = {name: PackedIds() for name in ("tags", "ids", "jobs")} | more
    return Statement(sql).bindparams(
        *(bindparam(name, type_=type_) for name, type_ in types.items())
    )


_STATEMENTS = {
    "detach": _typed(_DETACH, accepted_at=Moment()),
    "attach": _typed(_ATTACH),
}


def match(connection: Connection, names: Iterable[tuple[str | None, str]]) -> Later[Tags]:
    """Return those of the named tags that there are."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return dict
    if is_sqlite(connection):
        matched = _match_by_tenant(connection, wanted)
        return lambda: matched
    values = {"tenants": [one[0] for one in wanted], "names": [one[1] for one in wanted]}
    rows = pipelines.send(connection, _MATCH, values)
    return lambda: {(row.tenant, row.name): links.shown(row) for row in rows()}


def _match_by_tenant(connection: Connection, wanted: list[tuple[str | None, str]]) -> Tags:
    names: dict[str | None, list[str]] = defaultdict(list)
    for tenant, name in wanted:
        names[tenant].append(name)
    return {
        (tenant, name): shown
        for tenant, some in names.items()
        for name, shown in links.tags(connection, tenant, some).items()
    }


def create(connection: Connection, names: Iterable[tuple[str, str]]) -> Tags:
    """Create the tags of these tenants and names where they are missing; return them."""
    missing: dict[str, dict[str, UUID]] = defaultdict(dict)
    for tenant, name in names:
        missing[tenant][name] = uuid4()
    for tenant, ids in sorted(missing.items()):
        bulk_load.create_tags(connection, tenant, ids)
    return match(connection, ((tenant, name) for tenant in missing for name in missing[tenant]))()


def change(connection: Connection, kind: str, work: Work) -> Later[Changes]:
    """Remove, or add, the links of all chunks, and record which they were.

    All jobs are of this ``kind`` and accepted at the same moment. Raises StoreBusy, StoreRefused.
    """
    if not work:
        return Changes
    if is_sqlite(connection):
        changed = _one_by_one(connection, kind, work)
        return lambda: changed
    rows = pipelines.send(connection, _STATEMENTS[kind], _values(work))
    return lambda: _changes(work, rows())


def _changes(work: Work, rows: Iterable[Any]) -> Changes:
    changes, done_at = Changes(), None
    tenants = {job.id: job.tenant for job, _ in work}
    for row in rows:
        place = (row.job_id, row.chunk)
        changes.items[place] = changes.items.get(place, 0) + row.items
        changes.tags[row.tag_id] = tenants[row.job_id]
        done_at = row.done_at
    return Changes(changes.items, changes.tags, done_at=done_at)


def _one_by_one(connection: Connection, kind: str, work: Work) -> Changes:
    """Apply chunk by chunk, as the kind does: a file has nobody to take turns with."""
    changes = Changes()
    for job, chunk in work:
        changes.items[job.id, chunk.number] = KINDS[kind].apply(connection, job, chunk).changed
    for job in {job.id: job for job, _ in work}.values():
        query = select(link_change.c.tag_id).where(link_change.c.job_id == job.id).distinct()
        changes.tags.update(dict.fromkeys(connection.execute(query).scalars(), job.tenant))
    done_at = connection.execute(select(clock())).scalar_one()
    return Changes(changes.items, changes.tags, done_at=done_at)


def _values(work: Work) -> dict[str, Any]:
    """Return the bind parameters: each pair of a chunk and a tag, and where its ids are."""
    parts: list[tuple[int, bytes, int, int, int]] = []
    low = 1
    for place, (job, chunk) in enumerate(work, 1):
        high = low + chunk.size - 1
        own = (chunk.resource_type, low, high)
        parts += [(place, UUID(target["id"]).bytes, *own) for target in job.targets]
        low = high + 1
    places, tags, resource_types, lows, highs = zip(*parts, strict=True)
    return {
        "places": list(places),
        "tags": b"".join(tags),
        "resource_types": list(resource_types),
        "lows": list(lows),
        "highs": list(highs),
        "ids": b"".join(chunk.ids for _, chunk in work),
        "jobs": b"".join(job.id.bytes for job, _ in work),
        "numbers": [chunk.number for _, chunk in work],
        "accepted_at": work[0][0].accepted_at,
    }


def move(connection: Connection, tags: Mapping[UUID, str | None], now: datetime) -> None:
    """Set ``updated_at`` of these tags of the given tenants to ``now``."""
    if not tags:
        return
    if is_sqlite(connection):
        these = tag.c.tenant.in_(set(tags.values())), tag.c.id.in_(tags)
        connection.execute(update(tag).where(*these).values(updated_at=now))
        return
    values = {
        "tenants": list(set(tags.values())),
        "ids": b"".join(one.bytes for one in tags),
        "now": now,
    }
    pipelines.send(connection, _MOVE, values)
