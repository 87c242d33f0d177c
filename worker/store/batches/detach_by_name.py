"""Detach from our own tables by the names of tags: matched and removed by one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause

from tagsweep.worker.database import pipelines
from tagsweep.worker.models.records import Chunk
from tagsweep.worker.store import links
from tagsweep.worker.store.batches.links import ITEMS, NOTE, REMOVED, SINGLE
from tagsweep.worker.store.batches.tags import Tags
from tagsweep.worker.store.batches.work import Changes, Later
from tagsweep.worker.store.layout import OWN
from tagsweep.worker.store.statements import NOTED, over

#: our own tables; a link is as old as the transaction if it was there when that began
_AT = replace(OWN, then="created_at <= now()")
# What a tag is, and what is removed with it, is of one moment: were it renamed between two
# statements, it would be told of a tag whose links are still there.
_DETACH = """
WITH part AS MATERIALIZED (
    SELECT asked.place, asked.kind, asked.low, asked.high, own.id AS tag, own.*
    FROM unnest(CAST(:places AS int[]), CAST(:tenants AS text[]), CAST(:names AS text[]),
                CAST(:kinds AS smallint[]), CAST(:lows AS int[]), CAST(:highs AS int[]))
        AS asked (place, owner, called, kind, low, high)
    JOIN (SELECT {at.tags_shown} FROM {at.tags}) AS own
        ON own.tenant = asked.owner AND own.name = asked.called
    WHERE (:jobs)[asked.place] <> ALL (ARRAY(SELECT id FROM @job WHERE id = ANY (:jobs)))
), {items}, {changed}, {single}, {note}, told AS (
    SELECT place, tag_id, count(*) AS items FROM single GROUP BY place, tag_id
)
SELECT part.*, coalesce(told.items, 0) AS items, clock_timestamp() AS done_at
FROM part LEFT JOIN told ON told.place = part.place AND told.tag_id = part.tag
"""


@dataclass(frozen=True, slots=True)
class Named:
    """A chunk of a job that is not recorded yet, and the names of its tags."""

    job_id: UUID
    tenant: str | None
    names: Sequence[str]
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Detached:
    """The tags that were found, and what was removed."""

    tags: Tags = field(default_factory=dict)
    jobs: set[UUID] = field(default_factory=set)  #: those of which any tag was found
    changes: Changes = field(default_factory=Changes)


@cache
def _detaching() -> TextClause:
    noted = NOTED["added"]
    own = _AT.own.replace(":resource_type", "kind_of_ours")
    return over(
        _AT,
        _DETACH,
        items=ITEMS.format(parts="part"),
        changed=_AT.write(REMOVED, own=own),
        single=SINGLE,
        note=NOTE.format(**noted),
    )


def detach(connection: Connection, work: Sequence[Named]) -> Later[Detached]:
    """Find the named tags, remove their links of all chunks, and record which they were.

    Nothing is removed for a job whose id is taken. The jobs are accepted at the moment at which the
    transaction began. PostgreSQL only. Raises StoreBusy, StoreRefused.
    """
    rows = pipelines.send(connection, _detaching(), _values(work))
    return lambda: _detached(work, rows())


def _values(work: Sequence[Named]) -> dict[str, Any]:
    """Return the bind parameters: each pair of a chunk and a name, and where its ids are."""
    parts: list[tuple[int, str | None, str, int, int, int]] = []
    low = 1
    for place, one in enumerate(work, 1):
        high = low + one.chunk.size - 1
        parts += [
            (place, one.tenant, name, one.chunk.resource_type, low, high) for name in one.names
        ]
        low = high + 1
    places, tenants, names, kinds, lows, highs = map(list, zip(*parts, strict=True))
    return {
        "places": places,
        "tenants": tenants,
        "names": names,
        "kinds": kinds,
        "lows": lows,
        "highs": highs,
        "ids": b"".join(one.chunk.ids for one in work),
        "jobs": b"".join(one.job_id.bytes for one in work),
        "numbers": [one.chunk.number for one in work],
        "resource_types": [one.chunk.resource_type for one in work],
    }


def _detached(work: Sequence[Named], rows: Iterable[Any]) -> Detached:
    found, done_at = Detached(), None
    changes = found.changes
    for row in rows:
        one = work[row.place - 1]
        found.jobs.add(one.job_id)
        if (one.tenant, row.name) not in found.tags:
            found.tags[one.tenant, row.name] = links.shown(row)
        if row.items:
            changes.items[one.job_id, one.chunk.number] += row.items
            changes.tags[row.tag] = one.tenant
            changes.lines[row.tag] -= row.items
        done_at = row.done_at
    return replace(found, changes=replace(changes, done_at=done_at))
