"""Detach and attach: the links of many small jobs, removed or added by one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, select

from tagsweep.worker.database import pipelines
from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.errors import StoreBusy
from tagsweep.worker.models.tables import clock, link_change
from tagsweep.worker.store import KINDS
from tagsweep.worker.store.batches.work import Changes, Later, Work
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.statements import NOTED, over

# Columns of mapped tables are written without their table: none has the name of one of these.
# ``place``: of a chunk, from 1. A link that two chunks ask for is the first one's.
ITEMS = """
item_of_ours AS MATERIALIZED (
    SELECT part.tag AS tag_of_ours, part.kind AS kind_of_ours, listed.id AS id_of_ours,
           min(part.place) AS place_of_ours
    FROM {parts} CROSS JOIN LATERAL unnest((:ids)[part.low:part.high]) AS listed (id)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
)
"""
_PARTS = """
unnest(CAST(:places AS int[]), :tags, CAST(:kinds AS smallint[]),
       CAST(:lows AS int[]), CAST(:highs AS int[])) AS part (place, tag, kind, low, high)
"""
REMOVED = """
changed AS (
    DELETE FROM {at.links} USING item_of_ours
    WHERE {at.tag} = tag_of_ours AND {own} AND {at.resource} = id_of_ours AND {at.then}
    RETURNING place_of_ours AS place, {at.removed}
)
"""
# A trigger may write another link than that of an item: it has no place, and is refused with the
# whole batch, since a record without a job is.
_ADDED = """
added AS (
    INSERT INTO {at.links} ({at.inserted})
    SELECT tag.id, {inserting}
    FROM item_of_ours CROSS JOIN LATERAL (SELECT tag_of_ours) AS tag (id)
    CROSS JOIN LATERAL (SELECT id_of_ours) AS listed (id)
    {at.missing}
    ORDER BY tag.id, kind_of_ours, listed.id
    {at.conflict}
    RETURNING {at.returned}, {at.tag} AS tag_there, {at.resource} AS id_there, {kind} AS kind_there
), changed AS (
    SELECT place_of_ours AS place, added.* FROM added LEFT JOIN item_of_ours
        ON tag_of_ours = tag_there AND kind_of_ours = kind_there AND id_of_ours = id_there
)
"""
# Of a mapped table there may be several rows for a tag and a resource, and more to record.
_SINGLE_MAPPED = """
single AS (
    SELECT place, tag_id, resource_id, count(*) AS lines{gathered} FROM changed GROUP BY 1, 2, 3
)
"""
SINGLE = "single AS NOT MATERIALIZED (SELECT *, 1 AS lines FROM changed)"
NOTE = """
noted AS (
    INSERT INTO @removal (job_id, chunk, run, resource_type, tag_id, ids{columns})
    SELECT (:jobs)[place], (CAST(:numbers AS int[]))[place], 0,
           (CAST(:resource_types AS smallint[]))[place], tag_id,
           array_agg(resource_id ORDER BY resource_id){values}
    FROM single GROUP BY place, tag_id
)
"""
_RECORDED = """
WITH {items}, {changed}, {single}, {note}
SELECT place, tag_id, count(*) AS items, CAST(sum(lines) AS bigint) AS lines,
       clock_timestamp() AS done_at
FROM single GROUP BY place, tag_id
"""
_HOLD = """
SELECT {at.tags_id} FROM {at.tags}
WHERE {at.tags_owner} = ANY (CAST(:tenants AS text[])) AND {at.tags_id} = ANY (:tags) AND {fixed}
ORDER BY {at.tags_id} FOR KEY SHARE
"""
#: what each kind of job does, how that is recorded, and by how much it moves counters
_HOW = {"detach": (REMOVED, "removed", -1), "attach": (_ADDED, "added", 1)}


@cache
def _changing(at: Layout, kind: str) -> TextClause:
    """Return the statement that changes links and records which; a type is that of each item."""
    changing, how, _ = _HOW[kind]
    own, inserting = (
        part.replace(":resource_type", "kind_of_ours") for part in (at.own, at.inserting)
    )
    type_ = "CAST(0 AS smallint)" if at.mapped else "resource_type"
    changed = at.write(changing, own=own, inserting=inserting, kind=type_)
    noted = NOTED[how] if at.mapped else NOTED["added"]
    single = _SINGLE_MAPPED.format(**noted) if at.mapped else SINGLE
    note, items = NOTE.format(**noted), ITEMS.format(parts=_PARTS)
    return over(at, _RECORDED, items=items, changed=changed, single=single, note=note)


@cache
def _holding(at: Layout) -> TextClause:
    return over(at, _HOLD, fixed=at.tags_fixed or "true")


def change(
    connection: Connection, at: Layout, kind: str, work: Work, of_resource: Mapping[str, Any]
) -> Later[Changes]:
    """Remove, or add, the links of all chunks, and record which they were.

    All jobs are of this ``kind`` and accepted at the same moment. The chunks are about one mapped
    resource, with bind parameters of its own, and of one tenant if its links have a column for it;
    or about our own tables. Raises StoreBusy, StoreRefused.
    """
    if not work:
        return Changes
    if is_sqlite(connection):
        changed = _one_by_one(connection, kind, work)
        return lambda: changed
    values = {**_values(work, mapped=at.mapped), **of_resource}
    rows = pipelines.send(connection, _changing(at, kind), values)
    return lambda: _changes(work, rows(), _HOW[kind][2])


def hold(connection: Connection, at: Layout, work: Work) -> Later[None]:
    """Keep the tags of attaches from being deleted until the commit.

    Raises StoreBusy if one is gone. Of tags in our own table the foreign key of links sees to it.
    """
    if not at.mapped:
        return lambda: None
    ids = {UUID(target["id"]) for job, _ in work for target in job.targets}
    values = {"tenants": list({job.tenant for job, _ in work}), **at.tags_values}
    values["tags"] = b"".join(one.bytes for one in ids)
    rows = pipelines.send(connection, _holding(at), values)

    def check() -> None:
        if len(rows()) < len(ids):
            raise StoreBusy("A tag that was just found is gone again.")

    return check


def _changes(work: Work, rows: Iterable[Any], sign: int) -> Changes:
    changes, done_at = Changes(), None
    for row in rows:
        job, chunk = work[row.place - 1]
        changes.items[job.id, chunk.number] += row.items
        changes.tags[row.tag_id] = job.tenant
        changes.lines[row.tag_id] += sign * row.lines
        done_at = row.done_at
    return Changes(changes.items, changes.tags, changes.lines, done_at=done_at)


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


def _values(work: Work, *, mapped: bool) -> dict[str, Any]:
    """Return the bind parameters: each pair of a chunk and a tag, and where its ids are.

    In our own table the types of resources tell links apart; numbers of ``mapped`` resources are
    those of each job.
    """
    parts: list[tuple[int, bytes, int, int, int]] = []
    low = 1
    for place, (job, chunk) in enumerate(work, 1):
        high = low + chunk.size - 1
        own = (0 if mapped else chunk.resource_type, low, high)
        parts += [(place, UUID(target["id"]).bytes, *own) for target in job.targets]
        low = high + 1
    places, tags, kinds, lows, highs = zip(*parts, strict=True)
    return {
        "places": list(places),
        "tags": b"".join(tags),
        "kinds": list(kinds),
        "lows": list(lows),
        "highs": list(highs),
        "ids": b"".join(chunk.ids for _, chunk in work),
        "jobs": b"".join(job.id.bytes for job, _ in work),
        "numbers": [chunk.number for _, chunk in work],
        "resource_types": [chunk.resource_type for _, chunk in work],
        "accepted_at": work[0][0].accepted_at,
    }
