"""Delete key/value tags from workspaces, as the batch delete contract has it.

A value that is given deletes only where it equals the stored one; omitted, null or empty it
deletes by key alone. A tag set anew after the job was accepted is not its to remove.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, text

from worker.models.events import MOST_TAGS
from worker.models.records import Chunk, JobRecord, Outcome, Report
from worker.models.tables import workspace, workspace_removal
from worker.models.types import Id, Moment
from worker.store.lists import among

_WANTED = """
WITH wanted AS (
    SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:values AS text[]), CAST(:systems AS bool[]))
    AS item (key, value, system)
)"""
_FITTING = """
    FROM workspace_tag AS tag
    WHERE tag.tenant = :tenant AND tag.workspace_id = ANY (CAST(:workspaces AS text[]))
      AND tag.created_at <= :accepted_at
      AND EXISTS (SELECT FROM wanted WHERE wanted.key = tag.key AND wanted.system = tag.system
                  AND (wanted.value IS NULL OR wanted.value = tag.value))
"""
_KEPT = """ RETURNING tag.workspace_id, tag.key, tag.value, tag.system
), kept AS (
    INSERT INTO workspace_removal (job_id, chunk, run, workspace_id, key, value, system)
    SELECT :job_id, :chunk, :run, workspace_id, key, value, system FROM gone
    RETURNING 1
)
SELECT count(*) FROM kept
"""
_MOMENT = bindparam("accepted_at", type_=Moment())
_COUNT = text(_WANTED + " SELECT count(*) " + _FITTING).bindparams(_MOMENT)
_POSTGRESQL = text(_WANTED + ", gone AS (DELETE " + _FITTING + _KEPT).bindparams(
    bindparam("job_id", type_=Id()), _MOMENT
)

_MATCHING = """
FROM workspace_tag
WHERE tenant = :tenant AND created_at <= :accepted_at
  AND workspace_id IN (SELECT value FROM json_each(:workspaces))
  AND EXISTS (SELECT 1 FROM json_each(:wanted) AS item
              WHERE item.value ->> 'key' = workspace_tag.key
                AND item.value ->> 'system' = workspace_tag.system
                AND (item.value ->> 'value' IS NULL
                     OR item.value ->> 'value' = workspace_tag.value))
"""
_KEEP_SQLITE = text(
    "INSERT INTO workspace_removal (job_id, chunk, run, workspace_id, key, value, system) "
    "SELECT :job_id, :chunk, :run, workspace_id, key, value, system" + _MATCHING + "RETURNING 1"
).bindparams(bindparam("job_id", type_=Id()), _MOMENT)
_COUNT_SQLITE = text("SELECT count(*)" + _MATCHING).bindparams(_MOMENT)
_DELETE_SQLITE = text("DELETE" + _MATCHING).bindparams(_MOMENT)


def match(connection: Connection, tenant: str, head: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: ARG001  # the same words for each kind
    """Return the distinct items asked for, in their order: key, value (None: any), system."""
    lists = ((False, head.get("tags", [])), (True, head.get("sys_tags", [])))
    items = (
        (one["key"], one.get("value") or None, system) for system, tags in lists for one in tags
    )
    return [
        {"key": key, "value": value, "system": system}
        for key, value, system in dict.fromkeys(items)
    ]


def prepare(connection: Connection, job: JobRecord) -> list[dict[str, Any]]:  # noqa: ARG001  # the same words for each kind
    """Create nothing: what a delete acts on is there."""
    return job.targets


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many tags of the chunk's workspaces ``apply`` would delete."""
    counting = _COUNT_SQLITE if connection.dialect.name == "sqlite" else _COUNT
    values = _values(connection, job, chunk, chunk.names)
    return int(connection.execute(counting, values).scalar_one())


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Delete the wanted tags of the chunk's workspaces and record which they were.

    Each item of a workspace that the tenant does not have is failed. Raises StoreRefused.
    """
    query = select(workspace.c.id).where(
        workspace.c.tenant == job.tenant, among(connection, workspace.c.id, chunk.names)
    )
    known = set(connection.execute(query).scalars())
    unknown = [name for name in chunk.names if name not in known]
    removed = _remove(connection, _values(connection, job, chunk, sorted(known))) if known else 0
    failed = len(unknown) * len(job.targets_of(chunk))
    failures = chunk.failures(unknown, "unknown_workspace", "There is no such workspace.")
    return Outcome(removed, failed, failures)


def report(connection: Connection, job: JobRecord) -> Report:
    """Return the tags that were removed, those of most workspaces first."""
    gone = workspace_removal.c
    query = (
        select(gone.key, gone.value, gone.system, func.count().label("workspaces"))
        .where(gone.job_id == job.id)
        .group_by(gone.key, gone.value, gone.system)
        .order_by(func.count().desc(), gone.key, gone.value, gone.system)
    )
    rows = connection.execute(query).all()
    truncated = len(rows) - MOST_TAGS
    return Report([_shown(row) for row in rows[:MOST_TAGS]], truncated if truncated > 0 else None)


def _remove(connection: Connection, values: dict[str, Any]) -> int:
    if connection.dialect.name == "sqlite":
        kept = len(connection.execute(_KEEP_SQLITE, values).all())
        connection.execute(_DELETE_SQLITE, values)
        return kept
    return int(connection.execute(_POSTGRESQL, values).scalar_one())


def _values(
    connection: Connection, job: JobRecord, chunk: Chunk, workspaces: list[str]
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "tenant": job.tenant,
        "accepted_at": job.accepted_at,
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
    }
    targets = job.targets_of(chunk)
    if connection.dialect.name == "sqlite":
        return values | {"workspaces": json.dumps(workspaces), "wanted": json.dumps(targets)}
    return values | {
        "workspaces": workspaces,
        "keys": [one["key"] for one in targets],
        "values": [one["value"] for one in targets],
        "systems": [one["system"] for one in targets],
    }


def _shown(row: Row[Any]) -> dict[str, Any]:
    shown = {"key": row.key, "value": row.value, "workspaces": row.workspaces}
    return {**shown, "system": True} if row.system else shown
