"""Delete and set: the tags of workspaces that many small jobs are about, changed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, select

from tagsweep.worker.database import pipelines
from tagsweep.worker.database.dialects import among, is_sqlite
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.models.tables import Moment, PackedIds, clock, workspace
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
# Two statements, as of a set alone: what is there is locked by the first, and the second sees what
# another transaction has just set. Jobs that want the same of a key: it is the first one's.
_WANTED = """
item AS MATERIALIZED (
    SELECT tenant, workspace_id, system, key, min(value) AS value, min(place) AS place
    FROM unnest(CAST(:places AS int[]), CAST(:tenants AS text[]), CAST(:workspaces AS text[]),
                CAST(:keys AS text[]), CAST(:values AS text[]), CAST(:systems AS bool[]))
        AS asked (place, tenant, workspace_id, key, value, system)
    GROUP BY 1, 2, 3, 4
)
"""
_RECORD = """
INSERT INTO @workspace_removal (job_id, chunk, run, workspace_id, key, value, system, previous)
SELECT (:jobs)[place], 0, 0, workspace_id, key, value, system, previous FROM changed
"""
_INSERT = Statement(f"""
WITH {_WANTED}, held AS MATERIALIZED (
    SELECT tag.tenant, tag.workspace_id, tag.system, tag.key
    FROM item JOIN @workspace_tag AS tag USING (tenant, workspace_id, system, key)
    ORDER BY 1, 2, 3, 4 FOR UPDATE OF tag
), new AS (
    INSERT INTO @workspace_tag (tenant, workspace_id, key, value, system)
    SELECT tenant, workspace_id, key, value, system
    FROM item WHERE (tenant, workspace_id, system, key) NOT IN (SELECT * FROM held)
    ORDER BY tenant, workspace_id, system, key
    ON CONFLICT DO NOTHING
    RETURNING tenant, workspace_id, key, value, system
), changed AS (
    SELECT place, workspace_id, key, new.value, system, NULL AS previous
    FROM new JOIN item USING (tenant, workspace_id, system, key)
) {_RECORD}
""").bindparams(bindparam("jobs", type_=PackedIds()))  # noqa: S608  # the texts are ours
_UPDATE = Statement(f"""
WITH {_WANTED}, held AS MATERIALIZED (
    SELECT tag.tenant, tag.workspace_id, tag.system, tag.key,
           item.place, item.value, tag.value AS previous
    FROM item JOIN @workspace_tag AS tag USING (tenant, workspace_id, system, key)
    WHERE tag.value <> item.value AND tag.created_at <= :accepted_at
    ORDER BY 1, 2, 3, 4 FOR UPDATE OF tag
), changed AS (
    UPDATE @workspace_tag AS tag SET value = held.value, created_at = clock_timestamp()
    FROM held
    WHERE tag.tenant = held.tenant AND tag.workspace_id = held.workspace_id
      AND tag.system = held.system AND tag.key = held.key AND tag.created_at <= :accepted_at
    RETURNING held.place, tag.workspace_id, tag.key, tag.value, tag.system, held.previous
) {_RECORD}
""").bindparams(  # noqa: S608  # the texts are ours
    bindparam("jobs", type_=PackedIds()), bindparam("accepted_at", type_=Moment())
)
_TOLD = Statement("""
SELECT place, key, value, system, count(*) AS workspaces, max(clock_timestamp()) AS done_at
FROM unnest(:jobs) WITH ORDINALITY AS job (job_id, place) JOIN @workspace_removal USING (job_id)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 5 DESC, 2, 3, 4
""").bindparams(bindparam("jobs", type_=PackedIds()))
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


def change(connection: Connection, kind: str, work: Work) -> Later[Changes]:
    """Delete, or set, the wanted tags of all chunks' workspaces; record which were changed.

    All jobs are of this ``kind``, have one chunk and are accepted at the same moment; their
    workspaces are known. No two give a key two values. Raises StoreBusy, StoreRefused.
    """
    if not work:
        return Changes
    if is_sqlite(connection):
        changed = _one_by_one(connection, kind, work)
        return lambda: changed
    values = _values(work)
    if kind == "delete":
        rows = pipelines.send(connection, _DELETE, values)
    else:
        pipelines.send(connection, _INSERT, values)
        pipelines.send(connection, _UPDATE, values)
        rows = pipelines.send(connection, _TOLD, values)
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


def _one_by_one(connection: Connection, kind: str, work: Work) -> Changes:
    """Apply job by job, as the kind does: a file has nobody to take turns with."""
    changes = Changes()
    for job, chunk in work:
        changes.items[job.id, chunk.number] = KINDS[kind].apply(connection, job, chunk).changed
        changes.reports[job.id] = KINDS[kind].report(connection, job)
    done_at = connection.execute(select(clock())).scalar_one()
    return Changes(changes.items, reports=changes.reports, done_at=done_at)


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
