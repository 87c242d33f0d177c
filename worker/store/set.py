"""Set key/value tags of workspaces: a key that is there gets the new value.

A tag set anew after the job was accepted keeps its value: that is not the job's to change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, case, func, select

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.models.tables import workspace, workspace_tag_change
from tagsweep.worker.store import delete
from tagsweep.worker.store.kinds import Kind, Place, Targets
from tagsweep.worker.store.layout import OWN, Layout, as_of
from tagsweep.worker.store.workspaces import single

YOUNGER = "The key was set later: it keeps the value that it has now."

#: each workspace with each tag that it is to have
_ITEMS = {
    "postgresql": """item AS MATERIALIZED (
    SELECT known.id AS workspace_id, wanted.key, wanted.value, wanted.system
    FROM unnest(CAST(:workspaces AS text[])) AS known (id)
    CROSS JOIN unnest(CAST(:keys AS text[]), CAST(:values AS text[]), CAST(:systems AS bool[]))
        AS wanted (key, value, system)
)""",
    "sqlite": """item AS MATERIALIZED (
    SELECT known.value AS workspace_id, wanted.value ->> 'key' AS key,
           wanted.value ->> 'value' AS value, wanted.value ->> 'system' AS system
    FROM json_each(:workspaces) AS known CROSS JOIN json_each(:wanted) AS wanted
)""",
}
_THERE = """FROM item JOIN @workspace_tag AS tag
    ON tag.tenant = :tenant AND tag.workspace_id = item.workspace_id
    AND tag.system = item.system AND tag.key = item.key"""
_RECORD = """
    INSERT INTO @workspace_removal (job_id, chunk, run, workspace_id, key, value, system, previous)
    SELECT :job_id, :chunk, :run, workspace_id, key, value, system, previous"""

# Two statements, so that what another transaction has just set is seen by the second one. What is
# there is locked by the first: nobody can take it off in between.
_INSERT = """
WITH {items}, held AS MATERIALIZED (
    SELECT tag.workspace_id, tag.system, tag.key {there}
    ORDER BY tag.workspace_id, tag.system, tag.key FOR UPDATE OF tag
), new AS (
    INSERT INTO @workspace_tag (tenant, workspace_id, key, value, system)
    SELECT :tenant, workspace_id, key, value, system
    FROM item WHERE (workspace_id, system, key) NOT IN (SELECT * FROM held)
    ORDER BY workspace_id, system, key
    ON CONFLICT DO NOTHING
    RETURNING workspace_id, key, value, system, NULL AS previous
), kept AS ({record} FROM new RETURNING 1)
SELECT count(*) FROM kept
"""
_UPDATE = """
WITH {items}, held AS MATERIALIZED (
    SELECT tag.workspace_id, tag.system, tag.key, item.value, tag.value AS previous {there}
    WHERE tag.value <> item.value AND tag.created_at <= :accepted_at
    ORDER BY tag.workspace_id, tag.system, tag.key FOR UPDATE OF tag
), changed AS (
    UPDATE @workspace_tag AS tag SET value = held.value, created_at = clock_timestamp()
    FROM held
    WHERE tag.tenant = :tenant AND tag.workspace_id = held.workspace_id
      AND tag.system = held.system AND tag.key = held.key AND tag.created_at <= :accepted_at
    RETURNING tag.workspace_id, tag.key, tag.value, tag.system, held.previous
), kept AS ({record} FROM changed RETURNING 1)
SELECT count(*) FROM kept
"""
_RECORD_SQLITE = """
WITH {items}
{record} FROM (
    SELECT item.*, tag.value AS previous FROM item LEFT JOIN @workspace_tag AS tag
        ON tag.tenant = :tenant AND tag.workspace_id = item.workspace_id
        AND tag.system = item.system AND tag.key = item.key
    WHERE tag.key IS NULL OR (tag.value <> item.value AND tag.created_at <= :accepted_at)
) WHERE true
RETURNING 1
"""
_SET_SQLITE = """
WITH {items}
INSERT INTO @workspace_tag (tenant, workspace_id, key, value, system)
SELECT :tenant, workspace_id, key, value, system FROM item WHERE true
ON CONFLICT (tenant, workspace_id, system, key)
DO UPDATE SET value = excluded.value, created_at = excluded.created_at
WHERE value <> excluded.value AND created_at <= :accepted_at
"""
_SETTLED = """
WITH {items} SELECT count(*) {there}
WHERE tag.value = item.value OR tag.created_at > :accepted_at
"""
_YOUNGER_ONES = """
WITH {items}
SELECT tag.workspace_id, tag.key, tag.system {there}
WHERE tag.value <> item.value AND tag.created_at > :accepted_at
"""
_LACKING = """
SELECT (SELECT count(*) FROM @workspace WHERE tenant = :tenant) * CAST(:targets AS bigint)
     - (SELECT count(*) FROM @workspace_tag AS tag JOIN {wanted}
        ON tag.key = wanted.key AND tag.system = wanted.system AND tag.value = wanted.value
        WHERE tag.tenant = :tenant)
"""
_WANTED = {
    "postgresql": """
        unnest(CAST(:keys AS text[]), CAST(:values AS text[]), CAST(:systems AS bool[]))
        AS wanted (key, value, system)""",
    "sqlite": """
        (SELECT value ->> 'key' AS key, value ->> 'value' AS value, value ->> 'system' AS system
         FROM json_each(:wanted)) AS wanted""",
}


class Set(Kind):
    """Sets tags of workspaces."""

    def match(
        self,
        connection: Connection,  # noqa: ARG002  # a key need not be there
        tenant: str,  # noqa: ARG002
        head: dict[str, Any],
        at: Layout = OWN,  # noqa: ARG002
    ) -> Targets:
        """Return the distinct tags asked for, in their order: key, value, system."""
        lists = ((False, head.get("tags", [])), (True, head.get("sys_tags", [])))
        wanted = ((tag["key"], tag["value"], system) for system, tags in lists for tag in tags)
        return [
            {"key": key, "value": value, "system": system}
            for key, value, system in dict.fromkeys(wanted)
        ]

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many tags of the chunk's workspaces ``apply`` would set."""
        known = _known(connection, job, chunk)
        values = _values(connection, job, replace(chunk, names=known))
        settled = connection.execute(_statement(connection, _SETTLED), values).scalar_one()
        return len(known) * len(job.targets_of(chunk)) - int(settled)

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Set the tags of the chunk's workspaces; record which were set, and their former values.

        Each item of a workspace that the tenant does not have fails. Raises StoreRefused.
        """
        known = _known(connection, job, chunk)
        unknown = sorted({*chunk.names} - {*known})
        changed = _set(connection, job, replace(chunk, names=known)) if known else 0
        failed = len(unknown) * len(job.targets_of(chunk))
        return Outcome(changed, failed, single.failures(chunk, unknown))

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the tags that were set, those of the most workspaces first."""
        return delete.report_of(changed(connection, job))

    def spared(
        self, connection: Connection, job: JobRecord, chunk: Chunk
    ) -> dict[tuple[int, Place], str]:
        """Return the items whose key was set to another value since the acceptance."""
        places = {(one["key"], one["system"]): at for at, one in enumerate(job.targets)}
        younger = _statement(connection, _YOUNGER_ONES)
        rows = connection.execute(younger, _values(connection, job, chunk))
        return {(places[row.key, bool(row.system)], row.workspace_id): YOUNGER for row in rows}

    def cut(self, connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
        """Yield lists of all workspaces of the tenant, with up to ``limit`` items, unnumbered."""
        if not job.selected:
            return
        most, after = max(1, limit // len(job.targets)), ""
        query = select(workspace.c.id).where(workspace.c.tenant == job.tenant)
        query = query.order_by(workspace.c.id).limit(most)
        while names := list(connection.execute(query.where(workspace.c.id > after)).scalars()):
            yield Chunk(0, 0, len(names) * len(job.targets), names=names)
            after = names[-1]

    def matching(self, connection: Connection, job: JobRecord) -> int:
        """Return how many tags the tenant's workspaces still lack, or have with another value."""
        lacking = _statement(connection, _LACKING)
        values = {**_values(connection, job, Chunk(0, 0, 0)), "targets": len(job.targets)}
        return int(connection.execute(lacking, values).scalar_one())


def changed(connection: Connection, job: JobRecord) -> Sequence[Any]:
    """Return the tags that a job has set, each with its number of workspaces, in order.

    A value of None: tags that the undo of a set took off.
    """
    of = workspace_tag_change.c
    value = case((of.gone, None), else_=of.value).label("value")
    query = (
        select(of.key, value, of.system, func.count().label("workspaces"))
        .where(of.job_id == job.id)
        .group_by(of.key, value, of.system)
        .order_by(func.count().desc(), of.key, value, of.system)
    )
    return connection.execute(query).all()


def _known(connection: Connection, job: JobRecord, chunk: Chunk) -> list[str]:
    return sorted(single.known(connection, job, chunk))


def _set(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    values = _values(connection, job, chunk)
    if is_sqlite(connection):
        recorded = len(connection.execute(_statement(connection, _RECORD_SQLITE), values).all())
        connection.execute(_statement(connection, _SET_SQLITE), values)
        return recorded
    new = connection.execute(_statement(connection, _INSERT), values).scalar_one()
    return int(new + connection.execute(_statement(connection, _UPDATE), values).scalar_one())


def _statement(connection: Connection, sql: str) -> TextClause:
    return _filled(connection.dialect.name, sql)


@cache
def _filled(dialect: str, sql: str) -> TextClause:
    parts = {"items": _ITEMS[dialect], "wanted": _WANTED[dialect]}
    return typed(sql.format(there=_THERE, record=_RECORD, **parts), OWN.types)


def _values(connection: Connection, job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    values: dict[str, Any] = {
        "tenant": job.tenant,
        "accepted_at": as_of(job),
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
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
