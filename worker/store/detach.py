"""Take tags off resources, as the detach contract has it: the links go, the tags stay.

A link that was attached after the job was accepted is not its to remove: both times are the
database's own.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, bindparam, select, text, update

from worker import chunks
from worker.models.events import stamp
from worker.models.records import Chunk, JobRecord, Outcome, Report
from worker.models.tables import removal, tag
from worker.models.types import Id, Moment, PackedIds, clock

# One index range joined with the ids by hash, not an index descent for each id: hence BETWEEN.
# The server itself writes down what went: the ids never travel back.
_POSTGRESQL = """
WITH gone AS (
    DELETE FROM tag_link AS link USING unnest(:ids) AS wanted (id)
    WHERE link.tag_id {tags} AND link.resource_type = :resource_type
      AND link.resource_id = wanted.id AND link.resource_id BETWEEN :low AND :high
      AND link.created_at <= :accepted_at
    RETURNING link.tag_id, link.resource_id
)
INSERT INTO removal (job_id, chunk, run, tag_id, resource_type, ids)
SELECT :job_id, :chunk, :run, tag_id, :resource_type, array_agg(resource_id ORDER BY resource_id)
FROM gone GROUP BY tag_id
RETURNING cardinality(ids)
"""
_BINDS = (
    bindparam("ids", type_=PackedIds()),
    bindparam("low", type_=Id()),
    bindparam("high", type_=Id()),
    bindparam("job_id", type_=Id()),
    bindparam("accepted_at", type_=Moment()),
)
_ONE_TAG = text(_POSTGRESQL.format(tags="= :tag")).bindparams(*_BINDS, bindparam("tag", type_=Id()))
_SOME_TAGS = text(_POSTGRESQL.format(tags="= ANY (:tags)")).bindparams(
    *_BINDS, bindparam("tags", type_=PackedIds())
)

# SQLite reads the packed ids where they lie, 16 bytes at a time
_SQLITE = text("""
WITH RECURSIVE at (byte) AS (
    SELECT 1 UNION ALL SELECT byte + 16 FROM at WHERE byte + 16 < :bytes
)
DELETE FROM tag_link
WHERE tag_id = :tag AND resource_type = :resource_type AND created_at <= :accepted_at
  AND resource_id IN (SELECT substr(:ids, byte, 16) FROM at)
RETURNING resource_id
""").bindparams(
    bindparam("ids", type_=PackedIds()),
    bindparam("tag", type_=Id()),
    bindparam("accepted_at", type_=Moment()),
)


def match(connection: Connection, tenant: str, head: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tenant's tags that are named, each once, in the order of ``names``."""
    names = list(dict.fromkeys(head["names"]))
    query = select(tag).where(tag.c.tenant == tenant, tag.c.name.in_(names))
    found = {row.name: shown(row) for row in connection.execute(query)}
    return [found[name] for name in names if name in found]


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Remove the links of the chunk and record which they were; raises StoreRefused."""
    wanted = [UUID(one["id"]) for one in job.targets_of(chunk)]
    tags = _still_there(connection, job, wanted)
    if not tags:
        return Outcome(removed=0)  # with a tag that is gone, its links are gone too
    if connection.dialect.name == "sqlite":
        return Outcome(sum(_apply_sqlite(connection, job, chunk, one) for one in tags))
    low, high = chunks.ends(chunk.ids)
    values = {
        "ids": chunk.ids,
        "low": UUID(bytes=low),
        "high": UUID(bytes=high),
        "resource_type": chunk.resource_type,
        "accepted_at": job.accepted_at,
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
    }
    if len(tags) == 1:
        removed = connection.execute(_ONE_TAG, {**values, "tag": tags[0]})
    else:
        packed = b"".join(one.bytes for one in tags)
        removed = connection.execute(_SOME_TAGS, {**values, "tags": packed})
    return Outcome(sum(removed.scalars()))


def report(connection: Connection, job: JobRecord) -> Report:
    """Move ``updated_at`` of exactly the tags that lost a link, and return all that were matched.

    Only here, in the last transaction of a job: moved in each chunk, it made workers wait for
    each other.
    """
    this_run = and_(removal.c.job_id == job.id, removal.c.run == job.ends)
    lost = select(removal.c.tag_id).where(this_run).distinct()
    changed = (tag.c.tenant == job.tenant, tag.c.id.in_(lost))
    # two ending jobs of the same tags would deadlock if each took them in an order of its own
    in_order = select(tag.c.id).where(*changed).order_by(tag.c.id)
    connection.execute(in_order.with_for_update(key_share=True))
    connection.execute(update(tag).where(*changed).values(updated_at=clock()))
    ids = [UUID(one["id"]) for one in job.targets]
    query = select(tag).where(tag.c.tenant == job.tenant, tag.c.id.in_(ids))
    now = {str(row.id): shown(row) for row in connection.execute(query)}
    return Report([now.get(one["id"], one) for one in job.targets])


def _still_there(connection: Connection, job: JobRecord, wanted: list[UUID]) -> list[UUID]:
    query = select(tag.c.id).where(tag.c.tenant == job.tenant, tag.c.id.in_(wanted))
    return list(connection.execute(query.order_by(tag.c.id)).scalars())


def _apply_sqlite(connection: Connection, job: JobRecord, chunk: Chunk, one: UUID) -> int:
    values = {
        "tag": one,
        "resource_type": chunk.resource_type,
        "accepted_at": job.accepted_at,
        "ids": chunk.ids,
        "bytes": len(chunk.ids),
    }
    gone: list[bytes] = sorted(connection.execute(_SQLITE, values).scalars())
    if gone:
        row = {
            "job_id": job.id,
            "chunk": chunk.number,
            "run": job.ends,
            "tag_id": one,
            "resource_type": chunk.resource_type,
            "ids": b"".join(gone),
        }
        connection.execute(removal.insert(), row)
    return len(gone)


def shown(row: Any) -> dict[str, Any]:
    """Return a tag as the contract shows it."""
    return {
        "id": str(row.id),
        "name": row.name,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
    }
