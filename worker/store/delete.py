"""Delete key/value tags from workspaces, as the batch delete contract has it.

A value that is given deletes only where it equals the stored one; omitted, null or empty it
deletes by key alone. A tag set anew after the job was accepted is not its to remove.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, TextClause, func, select

from tagsweep.worker.models.events import MOST_TAGS
from tagsweep.worker.models.records import (
    Chunk,
    JobRecord,
    Outcome,
    Report,
)
from tagsweep.worker.models.tables import workspace, workspace_removal
from tagsweep.worker.store.links import statement
from tagsweep.worker.store.lists import among

#: which workspaces: those that are listed, a range, or all
_PLACES = {
    "postgresql": "workspace_id = ANY (CAST(:workspaces AS text[]))",
    "sqlite": "workspace_id IN (SELECT value FROM json_each(:workspaces))",
}
_RANGE = "workspace_id BETWEEN :low_name AND :high_name"
_FITTING = {
    "postgresql": """
FROM @workspace_tag AS tag
WHERE tag.tenant = :tenant AND tag.{places} AND tag.created_at {when} :accepted_at
  AND EXISTS (
    SELECT FROM unnest(CAST(:keys AS text[]), CAST(:values AS text[]), CAST(:systems AS bool[]))
                AS wanted (key, value, system)
    WHERE wanted.key = tag.key AND wanted.system = tag.system
      AND (wanted.value IS NULL OR wanted.value = tag.value))
""",
    "sqlite": """
FROM @workspace_tag AS tag
WHERE tag.tenant = :tenant AND tag.{places} AND tag.created_at {when} :accepted_at
  AND EXISTS (
    SELECT 1 FROM json_each(:wanted) AS item
    WHERE item.value ->> 'key' = tag.key AND item.value ->> 'system' = tag.system
      AND (item.value ->> 'value' IS NULL OR item.value ->> 'value' = tag.value))
""",
}
_KEEP = """
INSERT INTO @workspace_removal (job_id, chunk, run, workspace_id, key, value, system)
SELECT :job_id, :chunk, :run, workspace_id, key, value, system
"""
_RECORDED = """
WITH gone AS (DELETE {fitting} RETURNING tag.workspace_id, tag.key, tag.value, tag.system),
kept AS ({keep} FROM gone RETURNING 1)
SELECT count(*) FROM kept
"""
_CUT = """
SELECT place / :most AS part, min(workspace_id) AS low, max(workspace_id) AS high,
       sum(tags) AS items
FROM (
    SELECT workspace_id, count(*) AS tags, row_number() OVER (ORDER BY workspace_id) - 1 AS place
    {fitting} GROUP BY workspace_id
) AS placed
GROUP BY 1 ORDER BY 1
"""
YOUNGER = "It has the tag now: it was set after the job was accepted."
_LIST = "SELECT workspace_id, key, value, system {fitting} ORDER BY workspace_id"
#: of what is counted whenever it came to be
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


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
    counting = _statement(connection, "SELECT count(*) {fitting}", _places(connection, chunk))
    return int(connection.execute(counting, _values(connection, job, chunk)).scalar_one())


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Delete the wanted tags of the chunk's workspaces and record which they were.

    Each item of a workspace that the tenant does not have is failed. Raises StoreRefused.
    """
    if chunk.span:
        return Outcome(_remove(connection, job, chunk))
    query = select(workspace.c.id).where(
        workspace.c.tenant == job.tenant, among(connection, workspace.c.id, chunk.names)
    )
    known = set(connection.execute(query).scalars())
    unknown = [name for name in chunk.names if name not in known]
    removed = _remove(connection, job, replace(chunk, names=sorted(known))) if known else 0
    failed = len(unknown) * len(job.targets_of(chunk))
    failures = chunk.failures(unknown, "unknown_workspace", "There is no such workspace.")
    return Outcome(removed, failed, failures)


def cut(connection: Connection, job: JobRecord, most: int) -> Iterator[Chunk]:
    """Yield ranges of up to ``most`` workspaces that have any wanted tag, unnumbered."""
    cutting = _statement(connection, _CUT, "tenant = :tenant")
    whole = Chunk(0, 0, 0)
    values = {**_values(connection, job, whole), "most": most}
    for row in connection.execute(cutting, values).all():
        yield replace(whole, items=int(row.items), span=(row.low, row.high))


def later(connection: Connection, job: JobRecord, chunk: Chunk) -> int:  # noqa: ARG001  # the same words for each kind
    """Return 0: no tag that was set after the job was accepted is counted in a range."""
    return 0


def listed(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Return what of a range is there to be deleted, as chunks of one target each."""
    listing = _statement(connection, _LIST, _RANGE)
    rows = connection.execute(listing, _values(connection, job, chunk)).all()
    names: dict[int, list[str]] = {}
    for row in rows:
        names.setdefault(_first_fitting(job, row), []).append(row.workspace_id)
    return [chunk.listing(names=some, target=target) for target, some in sorted(names.items())]


def younger(connection: Connection, job: JobRecord, chunk: Chunk) -> dict[tuple[int, str], str]:
    """Return which of a chunk's workspaces have a wanted tag, but only since the job was accepted.

    By the place of the first target that fits and the workspace; as a sentence for people.
    """
    listing = _statement(connection, _LIST, _places(connection, chunk), when=">")
    rows = connection.execute(listing, _values(connection, job, chunk))
    return {(_first_fitting(job, row), row.workspace_id): YOUNGER for row in rows}


def remaining(connection: Connection, job: JobRecord) -> int:
    """Return how many tags that fit the tenant's workspaces have, whenever they were set."""
    counting = _statement(connection, "SELECT count(*) {fitting}", "tenant = :tenant")
    values = {**_values(connection, job, Chunk(0, 0, 0)), "accepted_at": _LATEST}
    return int(connection.execute(counting, values).scalar_one())


def report(connection: Connection, job: JobRecord) -> Report:
    """Return the tags that were removed, those of most workspaces first."""
    gone = workspace_removal.c
    query = (
        select(gone.key, gone.value, gone.system, func.count().label("workspaces"))
        .where(gone.job_id == job.id)
        .group_by(gone.key, gone.value, gone.system)
        .order_by(func.count().desc(), gone.key, gone.value, gone.system)
    )
    return report_of(connection.execute(query).all())


def report_of(rows: Sequence[Row[Any]]) -> Report:
    """Return the report of removed tags: rows, each with its number of workspaces, in order."""
    truncated = len(rows) - MOST_TAGS
    return Report([_shown(row) for row in rows[:MOST_TAGS]], truncated if truncated > 0 else None)


def _remove(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    places, values = _places(connection, chunk), _values(connection, job, chunk)
    if connection.dialect.name == "sqlite":
        keeping = _statement(connection, "{keep} {fitting} RETURNING 1", places)
        kept = len(connection.execute(keeping, values).all())
        connection.execute(_statement(connection, "DELETE {fitting}", places), values)
        return kept
    return int(connection.execute(_statement(connection, _RECORDED, places), values).scalar_one())


def _places(connection: Connection, chunk: Chunk) -> str:
    return _RANGE if chunk.span else _PLACES[connection.dialect.name]


def _statement(connection: Connection, sql: str, places: str, *, when: str = "<=") -> TextClause:
    """Return ``sql`` about tags that fit and came to be by the job's acceptance, or after it."""
    return _filled(connection.dialect.name, sql, places, when)


@cache
def _filled(dialect: str, sql: str, places: str, when: str) -> TextClause:
    fitting = _FITTING[dialect].format(places=places, when=when)
    return statement(sql.format(fitting=fitting, keep=_KEEP))


def _values(connection: Connection, job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    low, high = chunk.span or (None, None)
    values: dict[str, Any] = {
        "tenant": job.tenant,
        "accepted_at": job.accepted_at,
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
        "low_name": low,
        "high_name": high,
    }
    targets = job.targets_of(chunk)
    if connection.dialect.name == "sqlite":
        return values | {"workspaces": json.dumps(chunk.names), "wanted": json.dumps(targets)}
    return values | {
        "workspaces": chunk.names,
        "keys": [one["key"] for one in targets],
        "values": [one["value"] for one in targets],
        "systems": [one["system"] for one in targets],
    }


def _first_fitting(job: JobRecord, row: Row[Any]) -> int:
    """Return the place of the first target that a tag of a workspace fits."""
    return next(
        place
        for place, one in enumerate(job.targets)
        if (one["key"], one["system"]) == (row.key, bool(row.system))
        and one["value"] in (None, row.value)
    )


def _shown(row: Row[Any]) -> dict[str, Any]:
    shown = {"key": row.key, "value": row.value, "workspaces": row.workspaces}
    return {**shown, "system": True} if row.system else shown
