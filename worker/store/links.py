"""What the kinds of jobs on links have in common: their tags, what is recorded, what is told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, func, select, update

from tagsweep.worker.models import sorting, views
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.records import Chunk, JobRecord, Report
from tagsweep.worker.models.statements import Statement
from tagsweep.worker.models.tables import removal, tag
from tagsweep.worker.models.types import (
    Id,
    Moment,
    PackedIds,
    clock,
)

# The server itself writes down which links were changed: the ids never travel back.
_RECORDED = """
WITH changed AS ({changing})
INSERT INTO @removal (job_id, chunk, run, tag_id, resource_type, ids)
SELECT :job_id, :chunk, :run, {tag}, :resource_type, array_agg(resource_id ORDER BY resource_id)
FROM changed {each}
RETURNING cardinality(ids)
"""
_EACH_TAG = {"tag": "tag_id", "each": "GROUP BY tag_id"}
_ONE_TAG = {"tag": ":tag", "each": "HAVING count(*) > 0"}  # nothing to sort by tag
_TYPES: dict[str, Any] = {
    "job_id": Id(),
    "tag": Id(),
    "low": Id(),
    "high": Id(),
    "tags": PackedIds(),
    "ids": PackedIds(),
    "accepted_at": Moment(),
}


def statement(sql: str) -> TextClause:
    """Return ``sql``, with their types for those of ``values`` that it names."""
    named = set(re.findall(r":(\w+)", sql)) & _TYPES.keys()
    return Statement(sql).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in named))


def recorded(changing: str, *, one_tag: bool = False) -> TextClause:
    """Return the statement that does ``changing``, which returns tag_id and resource_id.

    It also records them, and returns how many there were of each tag, or of the ``one_tag`` that
    it names. PostgreSQL only.
    """
    told = _ONE_TAG if one_tag else _EACH_TAG
    return statement(_RECORDED.format(changing=changing, **told))


def values(job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    """Return what a statement about the links of ``chunk`` is told, all but the tags."""
    low, high = (UUID(one) for one in chunk.span) if chunk.span else sorting.ends(chunk.ids)
    return {
        "ids": chunk.ids,
        "bytes": len(chunk.ids),
        "low": low,
        "high": high,
        "resource_type": chunk.resource_type,
        "accepted_at": job.accepted_at,
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
    }


def count(
    connection: Connection, job: JobRecord, chunk: Chunk, counting: tuple[TextClause, TextClause]
) -> int:
    """Return what ``counting``, on PostgreSQL or on SQLite, finds of the chunk's links."""
    wanted = [UUID(one["id"]) for one in job.targets_of(chunk)]
    told = values(job, chunk)
    if connection.dialect.name == "sqlite":
        found = (connection.execute(counting[1], {**told, "tag": one}) for one in wanted)
        return sum(int(one.scalar_one()) for one in found)
    packed = b"".join(one.bytes for one in wanted)
    return int(connection.execute(counting[0], {**told, "tags": packed}).scalar_one())


def record(
    connection: Connection, job: JobRecord, chunk: Chunk, one: UUID, changed: Iterable[bytes]
) -> int:
    """Record which links of the tag ``one`` were changed; return how many. SQLite only."""
    ids = sorted(changed)
    if ids:
        row = {
            "job_id": job.id,
            "chunk": chunk.number,
            "run": job.ends,
            "tag_id": one,
            "resource_type": chunk.resource_type,
            "ids": b"".join(ids),
        }
        connection.execute(removal.insert(), row)
    return len(ids)


_NAMED = select(tag).where(
    tag.c.tenant == bindparam("tenant"), tag.c.name.in_(bindparam("names", expanding=True))
)


def tags(connection: Connection, tenant: str | None, names: Iterable[str]) -> dict[str, Any]:
    """Return those of the tenant's tags that are named, as the contract shows them, by name."""
    values = {"tenant": tenant, "names": list(names)}
    return {row.name: shown(row) for row in connection.execute(_NAMED, values)}


def still_there(connection: Connection, job: JobRecord, chunk: Chunk, *, keep: bool) -> list[UUID]:
    """Return the tags of the chunk that are there; ``keep``: till the transaction's end."""
    wanted = [UUID(one["id"]) for one in job.targets_of(chunk)]
    if job.started_at is None and not keep:  # found in this very transaction
        return wanted
    query = select(tag.c.id).where(tag.c.tenant == job.tenant, tag.c.id.in_(wanted))
    query = query.order_by(tag.c.id)
    if keep:
        query = query.with_for_update(read=True, key_share=True)
    return list(connection.execute(query).scalars())


def report(connection: Connection, job: JobRecord) -> Report:
    """Move ``updated_at`` of exactly the tags of which a link was changed; return all matched.

    Of a preview none moves; a tag that only would be there is told without an id.

    Only here, in the last transaction of a job: moved in each chunk, it made workers wait for
    each other.
    """
    now = _moved(connection, job) if job.removed and not job.dry_run else {}
    ids = [UUID(one["id"]) for one in job.targets if one["id"] not in now]
    if ids and job.started_at is not None:  # else they were read in this very transaction
        query = select(tag).where(tag.c.tenant == job.tenant, tag.c.id.in_(ids))
        now |= {str(row.id): shown(row) for row in connection.execute(query)}
    return Report([now.get(one["id"]) or views.tag(one) for one in job.targets])


# The time is read first and travels as a value: where `tag` is distributed (docs/scaling.md), no
# UPDATE of it may call a volatile function, or read the record of removals.
_CHANGED = (
    select(removal.c.tag_id, func.max(clock()).label("now"))
    .where(removal.c.job_id == bindparam("of_job", type_=Id()))
    .where(removal.c.run == bindparam("of_run"))
    .group_by(removal.c.tag_id)
)
_THESE = (
    tag.c.tenant == bindparam("of_tenant"),
    tag.c.id.in_(bindparam("ids", expanding=True)),
)
# two ending jobs of the same tags would deadlock if each took them in an order of its own
_HELD = select(tag.c.id).where(*_THESE).order_by(tag.c.id).with_for_update(key_share=True)
_MOVE = update(tag).where(*_THESE).values(updated_at=bindparam("now")).returning(tag)


def _moved(connection: Connection, job: JobRecord) -> dict[str, Any]:
    told = {"of_job": job.id, "of_run": job.ends}
    changed = connection.execute(_CHANGED, told).all()
    if not changed:
        return {}
    values = {"of_tenant": job.tenant, "ids": [row.tag_id for row in changed]}
    if len(changed) > 1:
        connection.execute(_HELD, values)
    values["now"] = max(row.now for row in changed)
    return {str(row.id): shown(row) for row in connection.execute(_MOVE, values)}


def shown(row: Any) -> dict[str, Any]:
    """Return a tag as the contract shows it."""
    return {
        "id": str(row.id),
        "name": row.name,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
    }
