"""Delete key/value tags from workspaces, as the batch delete contract specifies.

A given value deletes the tag only if it equals the stored one; if the value is omitted, null or
empty, the tag is deleted by key alone. A tag set again after the job was accepted is not the job's
to remove.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, TextClause, func, select

from tagsweep.worker.database.dialects import among, is_sqlite
from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.events import MOST_TAGS
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.models.tables import workspace, workspace_tag_change
from tagsweep.worker.store.kinds import Kind, Place, Targets, Warnings
from tagsweep.worker.store.layout import OWN, Layout, as_of
from tagsweep.worker.store.unmatched import workspace_tags

#: which workspaces: those listed, a range, or all
_LISTED = {
    "postgresql": "workspace_id = ANY (CAST(:workspaces AS text[]))",
    "sqlite": "workspace_id IN (SELECT value FROM json_each(:workspaces))",
}
_RANGE = "workspace_id BETWEEN :low_name AND :high_name"
_ALL = "tenant = :tenant"
_MATCHING = {
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
_RECORD = """
INSERT INTO @workspace_removal (job_id, chunk, run, workspace_id, key, value, system)
SELECT :job_id, :chunk, :run, workspace_id, key, value, system
"""
_DELETE_RECORDED = """
WITH gone AS (DELETE {matching} RETURNING tag.workspace_id, tag.key, tag.value, tag.system),
kept AS ({record} FROM gone RETURNING 1)
SELECT count(*) FROM kept
"""
_CUT = """
SELECT place / :limit AS part, min(workspace_id) AS low, max(workspace_id) AS high,
       sum(tags) AS items
FROM (
    SELECT workspace_id, count(*) AS tags, row_number() OVER (ORDER BY workspace_id) - 1 AS place
    {matching} GROUP BY workspace_id
) AS placed
GROUP BY 1 ORDER BY 1
"""
_COUNT = "SELECT count(*) {matching}"
_LIST = "SELECT workspace_id, key, value, system {matching} ORDER BY workspace_id"
_TAGS = "SELECT DISTINCT key, value, system {matching}"
#: in place of the acceptance: counts a tag whenever it was set
_ANY_TIME = datetime(9999, 1, 1, tzinfo=UTC)
YOUNGER = "It has the tag now: it was set later."


class Delete(Kind):
    """Deletes tags of workspaces."""

    def match(
        self,
        connection: Connection,  # noqa: ARG002  # a wanted tag need not exist
        tenant: str,  # noqa: ARG002
        head: dict[str, Any],
        at: Layout = OWN,  # noqa: ARG002
    ) -> Targets:
        """Return the distinct tags asked for, in their order: key, value (None: any), system."""
        lists = ((False, head.get("tags", [])), (True, head.get("sys_tags", [])))
        wanted = (
            (tag["key"], tag.get("value") or None, system) for system, tags in lists for tag in tags
        )
        return [
            {"key": key, "value": value, "system": system}
            for key, value, system in dict.fromkeys(wanted)
        ]

    def unmatched_in(
        self, connection: Connection, job: JobRecord, chunks: Iterable[Chunk]
    ) -> Warnings:
        """Return a warning for each wanted tag that no workspace of any chunk has."""
        found = set()
        for chunk in chunks:
            listing = _statement(connection, _TAGS, _places(connection, chunk))
            for key, value, system in connection.execute(listing, _values(connection, job, chunk)):
                found.add((key, value, bool(system)))
        return workspace_tags.wanted_tags(connection, job, found)

    def warnings(self, connection: Connection, job: JobRecord, report: Report) -> Warnings:
        """Return the job's warnings, with one for each wanted tag of which it has deleted none."""
        return workspace_tags.deleted(connection, job, report)

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many tags of the chunk's workspaces ``apply`` would delete."""
        counting = _statement(connection, _COUNT, _places(connection, chunk))
        return int(connection.execute(counting, _values(connection, job, chunk)).scalar_one())

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Delete the wanted tags of the chunk's workspaces and record which they were.

        Each item of a workspace that the tenant does not have fails. Raises StoreRefused.
        """
        if chunk.is_range:
            return Outcome(_remove(connection, job, chunk))
        query = select(workspace.c.id).where(
            workspace.c.tenant == job.tenant, among(connection, workspace.c.id, chunk.names)
        )
        known = set(connection.execute(query).scalars())
        unknown = [name for name in chunk.names if name not in known]
        removed = _remove(connection, job, replace(chunk, names=sorted(known))) if known else 0
        failed = len(unknown) * len(job.targets_of(chunk))
        failures = chunk.failures(unknown, "unknown_workspace", workspace_tags.GONE)
        return Outcome(removed, failed, failures)

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the tags that were removed, those of the most workspaces first."""
        gone = workspace_tag_change.c
        query = (
            select(gone.key, gone.value, gone.system, func.count().label("workspaces"))
            .where(gone.job_id == job.id)
            .group_by(gone.key, gone.value, gone.system)
            .order_by(func.count().desc(), gone.key, gone.value, gone.system)
        )
        return report_of(connection.execute(query).all())

    def spared(
        self, connection: Connection, job: JobRecord, chunk: Chunk
    ) -> dict[tuple[int, Place], str]:
        """Return the workspaces of a list that have a wanted tag only since the acceptance."""
        listing = _statement(connection, _LIST, _places(connection, chunk), when=">")
        rows = connection.execute(listing, _values(connection, job, chunk))
        return {(first_match(job, row), row.workspace_id): YOUNGER for row in rows}

    def cut(self, connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
        """Yield ranges of up to ``limit`` workspaces that have any wanted tag, unnumbered."""
        if not job.selected:
            return
        whole = Chunk(0, 0, 0)
        values = {**_values(connection, job, whole), "limit": limit}
        for row in connection.execute(_statement(connection, _CUT, _ALL), values).all():
            yield replace(whole, items=int(row.items), span=(row.low, row.high))

    def listed(self, connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
        """Return the tags of a range that would be deleted, as chunks of one target each."""
        if not chunk.is_range:
            return [chunk]
        listing = _statement(connection, _LIST, _RANGE)
        names: dict[int, list[str]] = {}
        for row in connection.execute(listing, _values(connection, job, chunk)):
            names.setdefault(first_match(job, row), []).append(row.workspace_id)
        return [chunk.listing(names=some, target=target) for target, some in sorted(names.items())]

    def matching(self, connection: Connection, job: JobRecord) -> int:
        """Return how many matching tags the tenant's workspaces have, whenever they were set."""
        values = {**_values(connection, job, Chunk(0, 0, 0)), "accepted_at": _ANY_TIME}
        return int(connection.execute(_statement(connection, _COUNT, _ALL), values).scalar_one())


def report_of(rows: Sequence[Row[Any]]) -> Report:
    """Return the report of removed tags: rows, each with its number of workspaces, in order."""
    truncated = len(rows) - MOST_TAGS
    return Report([_shown(row) for row in rows[:MOST_TAGS]], truncated if truncated > 0 else None)


def _remove(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    places, values = _places(connection, chunk), _values(connection, job, chunk)
    if is_sqlite(connection):
        recording = _statement(connection, "{record} {matching} RETURNING 1", places)
        recorded = len(connection.execute(recording, values).all())
        connection.execute(_statement(connection, "DELETE {matching}", places), values)
        return recorded
    deleting = _statement(connection, _DELETE_RECORDED, places)
    return int(connection.execute(deleting, values).scalar_one())


def _places(connection: Connection, chunk: Chunk) -> str:
    return _RANGE if chunk.is_range else _LISTED[connection.dialect.name]


def _statement(connection: Connection, sql: str, places: str, *, when: str = "<=") -> TextClause:
    """Return ``sql`` on matching tags that were set by the job's acceptance, or after it."""
    return _filled(connection.dialect.name, sql, places, when)


@cache
def _filled(dialect: str, sql: str, places: str, when: str) -> TextClause:
    matching = _MATCHING[dialect].format(places=places, when=when)
    return typed(sql.format(matching=matching, record=_RECORD), OWN.types)


def _values(connection: Connection, job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    low, high = chunk.span or (None, None)
    values: dict[str, Any] = {
        "tenant": job.tenant,
        "accepted_at": as_of(job),
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
        "low_name": low,
        "high_name": high,
    }
    wanted = job.targets_of(chunk)
    if is_sqlite(connection):
        return values | {"workspaces": json.dumps(chunk.names), "wanted": json.dumps(wanted)}
    return values | {
        "workspaces": chunk.names,
        "keys": [tag["key"] for tag in wanted],
        "values": [tag["value"] for tag in wanted],
        "systems": [tag["system"] for tag in wanted],
    }


def first_match(job: JobRecord, row: Row[Any]) -> int:
    """Return the place of the first target that a tag of a workspace matches."""
    return next(
        place
        for place, target in enumerate(job.targets)
        if (target["key"], target["system"]) == (row.key, bool(row.system))
        and target["value"] in (None, row.value)
    )


def _shown(row: Row[Any]) -> dict[str, Any]:
    shown = {"key": row.key, "value": row.value, "workspaces": row.workspaces}
    return {**shown, "system": True} if row.system else shown
