"""Delete: the tags of workspaces that many small jobs ask for, removed by one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, select

from tagsweep.worker.database import pipelines
from tagsweep.worker.database.dialects import among, is_sqlite
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.models.tables import Moment, PackedIds, workspace
from tagsweep.worker.store import KINDS, delete
from tagsweep.worker.store.batches.work import Changes, Later, Work

# a tag that fits items of two jobs is the first one's; what it is like is looked at once more when
# it is removed: whoever has set it anew meanwhile keeps it
_DELETE = Statement("""
WITH fitting AS MATERIALIZED (
    SELECT tag.tenant, tag.workspace_id, tag.system, tag.key, tag.value, min(item.place) AS place
    FROM unnest(CAST(:places AS int[]), CAST(:tenants AS text[]), CAST(:workspaces AS text[]),
                CAST(:keys AS text[]), CAST(:values AS text[]), CAST(:systems AS bool[]))
        AS item (place, tenant, workspace_id, key, value, system)
    JOIN @workspace_tag AS tag USING (tenant, workspace_id, system, key)
    WHERE (item.value IS NULL OR item.value = tag.value) AND tag.created_at <= :accepted_at
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4
), gone AS (
    DELETE FROM @workspace_tag AS tag USING fitting
    WHERE tag.tenant = fitting.tenant AND tag.workspace_id = fitting.workspace_id
      AND tag.system = fitting.system AND tag.key = fitting.key AND tag.value = fitting.value
      AND tag.created_at <= :accepted_at
    RETURNING fitting.place, tag.workspace_id, tag.key, tag.value, tag.system
), kept AS (
    INSERT INTO @workspace_removal (job_id, chunk, run, workspace_id, key, value, system)
    SELECT (:jobs)[place], 0, 0, workspace_id, key, value, system FROM gone
)
SELECT place, key, value, system, count(*) AS workspaces, max(clock_timestamp()) AS done_at
FROM gone GROUP BY 1, 2, 3, 4 ORDER BY 1, 5 DESC, 2, 3, 4
""").bindparams(bindparam("jobs", type_=PackedIds()), bindparam("accepted_at", type_=Moment()))
_KNOWN = Statement("""
    SELECT tenant, id FROM @workspace
    WHERE (tenant, id) IN (
        SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:names AS text[])))
""")


def known(
    connection: Connection, places: Iterable[tuple[str | None, str]]
) -> Later[set[tuple[str | None, str]]]:
    """Return those of the tenants' workspaces that there are."""
    wanted = list(dict.fromkeys(places))
    if not wanted:
        return set
    if is_sqlite(connection):
        there = _known_by_tenant(connection, wanted)
        return lambda: there
    values = {"tenants": [one[0] for one in wanted], "names": [one[1] for one in wanted]}
    rows = pipelines.send(connection, _KNOWN, values)
    return lambda: {(row.tenant, row.id) for row in rows()}


def _known_by_tenant(
    connection: Connection, wanted: list[tuple[str | None, str]]
) -> set[tuple[str | None, str]]:
    names: dict[str | None, list[str]] = defaultdict(list)
    for tenant, name in wanted:
        names[tenant].append(name)
    there: set[tuple[str | None, str]] = set()
    for tenant, some in names.items():
        query = select(workspace.c.id).where(
            workspace.c.tenant == tenant, among(connection, workspace.c.id, some)
        )
        there |= {(tenant, name) for name in connection.execute(query).scalars()}
    return there


def change(connection: Connection, work: Work) -> Later[Changes]:
    """Delete the wanted tags of all chunks' workspaces, which are known; record which they were.

    All jobs have one chunk and are accepted at the same moment. Raises StoreBusy, StoreRefused.
    """
    if not work:
        return Changes
    if is_sqlite(connection):
        changed = _one_by_one(connection, work)
        return lambda: changed
    rows = pipelines.send(connection, _DELETE, _values(work))
    return lambda: _changes(work, rows())


def _changes(work: Work, found: Iterable[Any]) -> Changes:
    tags: dict[int, list[Any]] = defaultdict(list)
    for row in found:
        tags[row.place].append(row)
    changes = Changes()
    for place, (job, chunk) in enumerate(work, 1):
        rows = tags[place]
        changes.items[job.id, chunk.number] = sum(row.workspaces for row in rows)
        changes.reports[job.id] = delete.report_of(rows)
    done_at = max((row.done_at for rows in tags.values() for row in rows), default=None)
    return Changes(changes.items, reports=changes.reports, done_at=done_at)


def _one_by_one(connection: Connection, work: Work) -> Changes:
    """Apply job by job, as the kind does: a file has nobody to take turns with."""
    changes, kind = Changes(), KINDS["delete"]
    for job, chunk in work:
        changes.items[job.id, chunk.number] = kind.apply(connection, job, chunk).changed
        changes.reports[job.id] = kind.report(connection, job)
    return changes


def _values(work: Work) -> dict[str, Any]:
    items = [
        (place, job.tenant, name, target["key"], target["value"], target["system"])
        for place, (job, chunk) in enumerate(work, 1)
        for name in chunk.names
        for target in job.targets
    ]
    columns = zip(*items, strict=True)
    names = ("places", "tenants", "workspaces", "keys", "values", "systems")
    values: dict[str, Any] = {
        name: list(column) for name, column in zip(names, columns, strict=True)
    }
    values["jobs"] = b"".join(job.id.bytes for job, _ in work)
    values["accepted_at"] = work[0][0].accepted_at
    return values
