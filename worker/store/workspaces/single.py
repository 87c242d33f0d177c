"""Tags of workspaces that were removed are put back, each with its own value; and taken again.

A workspace and its value are matched as a pair: a tag whose value has changed since belongs to
somebody else.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, select

from tagsweep.worker.database.dialects import among, is_sqlite
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.models.records import Chunk, Failure, JobRecord, Outcome
from tagsweep.worker.models.tables import Id, Moment, workspace, workspace_tag_change
from tagsweep.worker.store.layout import as_of
from tagsweep.worker.store.unmatched import workspace_tags

_TYPES: dict[str, Any] = {"job_id": Id(), "accepted_at": Moment()}
_PAIRS = """
    unnest(CAST(:names AS text[]), CAST(:values AS text[])) AS item (name, value)
"""
_PAIRS_SQLITE = """
    (SELECT value ->> 0 AS name, value ->> 1 AS value FROM json_each(:pairs)) AS item
"""
_PUT = """
    INSERT INTO @workspace_tag (tenant, workspace_id, key, value, system)
    SELECT :tenant, item.name, :key, item.value, :system FROM {pairs}
    WHERE true ORDER BY item.name
    ON CONFLICT DO NOTHING
    RETURNING workspace_id, key, value, system
"""
_UNCHANGED = """
    EXISTS (SELECT 1 FROM {pairs}
            WHERE item.name = workspace_tag.workspace_id AND item.value = workspace_tag.value)
    AND tenant = :tenant AND key = :key AND system = :system AND created_at <= :accepted_at
"""
_TAKE = f"""
    DELETE FROM @workspace_tag WHERE {_UNCHANGED} RETURNING workspace_id, key, value, system
"""  # noqa: S608  # both texts are ours
_COUNT_UNCHANGED = f"SELECT count(*) FROM @workspace_tag WHERE {_UNCHANGED}"  # noqa: S608  # same
_COUNT_WITH_KEY = """
    SELECT count(*) FROM @workspace_tag JOIN {pairs} ON item.name = workspace_tag.workspace_id
    WHERE tenant = :tenant AND key = :key AND system = :system
"""
_RECORDED = """
WITH changed AS ({changing}), kept AS (
    INSERT INTO @workspace_removal (job_id, chunk, run, workspace_id, key, value, system)
    SELECT :job_id, :chunk, :run, workspace_id, key, value, system FROM changed
    RETURNING 1
)
SELECT count(*) FROM kept
"""


def put(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Put the tag back on the chunk's workspaces, each with its value; record which lacked it.

    A value set in the meantime stays. Each workspace that no longer exists fails. Raises
    StoreRefused.
    """
    there = known(connection, job, chunk)
    gone = [name for name in chunk.names if name not in there]
    added = _change(connection, job, chunk, _PUT, there) if there else 0
    return Outcome(added, len(gone), failures(chunk, gone))


def take(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Remove the tag from those workspaces where it still has its value; raises StoreRefused."""
    return Outcome(_change(connection, job, chunk, _TAKE, set(chunk.names)))


def count_put(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many tags ``put`` would add."""
    there = known(connection, job, chunk)
    return len(there) - _count(connection, job, chunk, _COUNT_WITH_KEY, there)


def count_take(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many tags ``take`` would remove."""
    return _count(connection, job, chunk, _COUNT_UNCHANGED, set(chunk.names))


def failures(chunk: Chunk, unknown: list[str]) -> list[Failure]:
    """Return the failure of all items of a chunk's workspaces that do not exist."""
    return chunk.failures(unknown, "unknown_workspace", workspace_tags.GONE)


def known(connection: Connection, job: JobRecord, chunk: Chunk) -> set[str]:
    """Return the chunk's workspaces that exist, locked so that they do until the commit."""
    query = select(workspace.c.id).where(
        workspace.c.tenant == job.tenant, among(connection, workspace.c.id, chunk.names)
    )
    query = query.order_by(workspace.c.id).with_for_update(read=True, key_share=True)
    return set(connection.execute(query).scalars())


def _change(
    connection: Connection, job: JobRecord, chunk: Chunk, changing: str, names: set[str]
) -> int:
    values = _values(connection, job, chunk, names)
    if not is_sqlite(connection):
        statement = _RECORDED.format(changing=changing.format(pairs=_PAIRS))
        return int(connection.execute(_typed(statement), values).scalar_one())
    statement = changing.format(pairs=_PAIRS_SQLITE)
    own = {"job_id": job.id, "chunk": chunk.number, "run": job.ends}
    changed = connection.execute(_typed(statement), values).mappings()
    rows = [{**own, **row, "system": bool(row["system"])} for row in changed]
    if rows:
        connection.execute(workspace_tag_change.insert(), rows)
    return len(rows)


def _count(
    connection: Connection, job: JobRecord, chunk: Chunk, counting: str, names: set[str]
) -> int:
    pairs = _PAIRS_SQLITE if is_sqlite(connection) else _PAIRS
    values = _values(connection, job, chunk, names)
    return int(connection.execute(_typed(counting.format(pairs=pairs)), values).scalar_one())


def _values(
    connection: Connection, job: JobRecord, chunk: Chunk, names: set[str]
) -> dict[str, Any]:
    values, pairs = of_chunk(job, chunk, names)
    if is_sqlite(connection):
        return {**values, "pairs": json.dumps(pairs)}
    return {**values, "names": [name for name, _ in pairs], "values": [value for _, value in pairs]}


def of_chunk(
    job: JobRecord, chunk: Chunk, known: set[str]
) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """Return what statements are told of a chunk, and its known workspaces with their values."""
    (target,) = job.targets_of(chunk)
    values = {
        "tenant": job.tenant,
        "key": target["key"],
        "system": target["system"],
        "accepted_at": as_of(job),
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
    }
    both = zip(chunk.names, chunk.values, strict=True)
    return values, [(name, value) for name, value in both if name in known]


def _typed(sql: str) -> TextClause:
    named = set(re.findall(r":(\w+)", sql)) & _TYPES.keys()
    return Statement(sql).bindparams(*(bindparam(name, type_=_TYPES[name]) for name in named))
