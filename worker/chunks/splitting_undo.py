"""Split a job that undoes another: the server makes its chunks from that job's record.

On PostgreSQL the ids never leave the server. Each chunk is about one tag, or one key, so that it is
exactly what was changed and not a product of lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby, islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, insert, select

from tagsweep.worker.database.statements import typed
from tagsweep.worker.errors import ItemError, Rejected
from tagsweep.worker.jobs import lifecycle
from tagsweep.worker.jobs.derived import undoable
from tagsweep.worker.models import sorting
from tagsweep.worker.models.mapped import MappedResources
from tagsweep.worker.models.records import CHANGING, NAME_TAKEN, Chunk, JobRecord, is_dropped
from tagsweep.worker.models.tables import Id, PackedIds, link_change, workspace_tag_change
from tagsweep.worker.models.tables import chunk as chunk_table

#: rows of chunks sent at once
_BATCH = 8

# A row of the record that would fill a chunk by half is one as it is; the others are joined, or
# divided.
_CUT = """
WITH changed AS (
    SELECT known.place - 1 AS target, removal.resource_type, removal.ids{of_removal},
           cardinality(removal.ids) <= :most AND cardinality(removal.ids) * 2 > :most AS whole
    FROM @removal
    JOIN unnest(:tags) WITH ORDINALITY AS known (id, place) ON known.id = removal.tag_id
    WHERE removal.job_id = :undone
), placed AS (
    SELECT target, resource_type, listed.id{listed_kept},
           (row_number() OVER (PARTITION BY target, resource_type ORDER BY listed.id) - 1) / :most
               AS place
    FROM changed CROSS JOIN unnest(changed.ids{of_changed}) AS listed (id{kept})
    WHERE NOT whole
), cut AS (
    SELECT target, resource_type, ids{kept} FROM changed WHERE whole
    UNION ALL
    SELECT target, resource_type, array_agg(id ORDER BY id){all_kept}
    FROM placed GROUP BY target, resource_type, place
)
INSERT INTO @chunk (job_id, number, state, resource_type, ids, targets, items{column})
SELECT :job_id, row_number() OVER (ORDER BY target, resource_type, ids[1]) - 1, 'open',
       resource_type, ids, json_build_array(target), cardinality(ids){kept}
FROM cut
"""
_TYPES = {"job_id": Id(), "undone": Id(), "tags": PackedIds()}
_NOTHING = dict.fromkeys(
    ("column", "kept", "of_removal", "of_changed", "listed_kept", "all_kept"), ""
)
_CUT_LINKS = typed(_CUT.format(**_NOTHING), _TYPES)
#: with the rest of the rows that were removed
_CUT_KEPT = typed(
    _CUT.format(
        column=", own_values",
        kept=", kept",
        of_removal=", removal.kept",
        of_changed=", changed.kept",
        listed_kept=", listed.kept",
        all_kept=", array_agg(kept ORDER BY id)",
    ),
    _TYPES,
)

_CUT_WORKSPACE_TAGS = """
INSERT INTO @chunk (job_id, number, state, resource_type, names, own_values, targets, items)
SELECT :job_id, row_number() OVER (ORDER BY target, place) - 1, 'open', 0,
       array_agg(name ORDER BY name), array_agg(value ORDER BY name),
       json_build_array(target), count(*)
FROM (
    SELECT target, name, value,
           (row_number() OVER (PARTITION BY target ORDER BY name) - 1) / :most AS place
    FROM (
        SELECT known.place - 1 AS target, gone.workspace_id AS name, {value} AS value
        FROM @workspace_removal AS gone
        JOIN unnest(CAST(:keys AS text[]), CAST(:systems AS bool[]))
             WITH ORDINALITY AS known (key, system, place)
          ON known.key = gone.key AND known.system = gone.system
        WHERE gone.job_id = :undone
    ) AS each
) AS placed
GROUP BY target, place
"""
_CUT_TAGS = typed(_CUT_WORKSPACE_TAGS.format(value="gone.value"), _TYPES)
#: with what each key has now, and what it had before
_CUT_SET = typed(
    _CUT_WORKSPACE_TAGS.format(
        value="""CAST(json_build_array(
            CASE WHEN NOT gone.gone THEN gone.value END,
            CASE WHEN gone.gone THEN gone.value ELSE gone.previous END) AS text)"""
    ),
    _TYPES,
)


def split(connection: Connection, job: JobRecord, most: int) -> JobRecord:
    """Split an undo that the caller has locked, into chunks of ``most`` items; return it as it is.

    It acts on what the other job has changed by now; it ends if that is nothing, ``rejected`` if it
    cannot be undone.
    """
    try:
        undone = undoable.lock(connection, job.tenant, UUID(job.head["job"]))
    except Rejected as refusal:
        return lifecycle.end(connection, job, "rejected", [undoable.error_of(refusal)])
    cut = _split_links if undone.about_links else _split_workspace_tags
    matched = cut(connection, job, undone, most)
    reverts = undone.acts_as if undone.acts_as in CHANGING else None
    adds = not (reverts == "set" or undone.kind == "attach" or undone.adds)
    noted = {"as_of": undone.finished_at, **_mapped(undone, adds=adds)}
    job = lifecycle.change(connection, job, adds=adds, reverts=reverts, **noted)
    opened = _opened(connection, job.id)
    if not opened[0] and not job.dry_run:
        matched = lifecycle.prepare(connection, replace(job, matched=matched)).targets
        if taken := _taken(matched):
            return lifecycle.end(connection, replace(job, matched=matched), "failed", taken)
    return lifecycle.begin(connection, job, matched, *opened)


def _taken(matched: list[dict[str, Any]]) -> list[ItemError]:
    """Return an error for each tag that cannot be made again."""
    names = (one["name"] for one in matched if is_dropped(one))
    code = "name_taken"
    return [{"path": "/job", "code": code, "reason": f"{name}: {NAME_TAKEN}"} for name in names]


def _mapped(undone: JobRecord, *, adds: bool) -> dict[str, Any]:
    """Return the mapped resources of a job that undoes another, with what that had of them.

    What has grown there since that job's end is not to be removed.
    """
    if not undone.mapped:
        return {}
    of_end = (
        (number, one, one.accepted if adds else one.ended)
        for number, one in undone.resources.items()
    )
    moved = {
        number: one.model_copy(update={"accepted": grown, "ended": None})
        for number, one, grown in of_end
    }
    return {"mapped": MappedResources(moved).written()}


def _split_links(
    connection: Connection, job: JobRecord, undone: JobRecord, most: int
) -> list[dict[str, Any]]:
    query = select(link_change.c.tag_id).where(link_change.c.job_id == undone.id).distinct()
    changed = {str(one) for one in connection.execute(query).scalars()}
    targets = [one for one in undone.targets if one["id"] in changed or is_dropped(one)]
    tags = [UUID(one["id"]) for one in targets]
    if connection.dialect.name == "sqlite":
        _open(connection, job.id, _links_sqlite(connection, undone.id, tags, most))
    elif targets:
        packed = b"".join(one.bytes for one in tags)
        values = {"job_id": job.id, "undone": undone.id, "tags": packed, "most": most}
        kept = undone.mapped and not (undone.kind == "attach" or undone.adds)
        connection.execute(_CUT_KEPT if kept else _CUT_LINKS, values)
    return targets


def _split_workspace_tags(
    connection: Connection, job: JobRecord, undone: JobRecord, most: int
) -> list[dict[str, Any]]:
    columns = workspace_tag_change.c
    query = select(columns.system, columns.key).where(columns.job_id == undone.id).distinct()
    found = connection.execute(query.order_by(columns.system, columns.key)).all()
    targets = [{"key": key, "value": None, "system": system} for system, key in found]
    if connection.dialect.name == "sqlite":
        _open(connection, job.id, _workspace_tags_sqlite(connection, undone, targets, most))
    elif targets:
        wanted = {name: [one[name] for one in targets] for name in ("key", "system")}
        values = {"keys": wanted["key"], "systems": wanted["system"], "most": most}
        cut = _CUT_SET if undone.acts_as == "set" else _CUT_TAGS
        connection.execute(cut, {**values, "job_id": job.id, "undone": undone.id})
    return targets


def _links_sqlite(
    connection: Connection, undone: UUID, tags: list[UUID], most: int
) -> Iterator[Chunk]:
    columns = link_change.c
    query = select(columns.resource_type, columns.ids).where(columns.job_id == undone)
    number = 0
    for target, tag in enumerate(tags):
        rows = connection.execute(
            query.where(columns.tag_id == tag).order_by(columns.resource_type)
        )
        for kind, some in groupby(rows.all(), key=itemgetter(0)):
            runs = [sorting.reader(row.ids) for row in some]
            for ids in sorting.split(runs, most):
                yield Chunk(number, kind, len(ids) // 16, ids, targets=[target])
                number += 1


def _workspace_tags_sqlite(
    connection: Connection, undone: JobRecord, targets: list[dict[str, Any]], most: int
) -> Iterator[Chunk]:
    columns = workspace_tag_change.c
    query = select(columns.workspace_id, columns.value, columns.previous, columns.gone)
    query = query.where(columns.job_id == undone.id)
    number = 0
    for target, one in enumerate(targets):
        this = query.where(columns.key == one["key"], columns.system == one["system"])
        rows = iter(connection.execute(this.order_by(columns.workspace_id)).all())
        while some := list(islice(rows, most)):
            names, values = [row[0] for row in some], [_value(undone, row) for row in some]
            yield Chunk(number, 0, len(some), names=names, targets=[target], values=values)
            number += 1


def _value(undone: JobRecord, row: Any) -> str:
    """Return what a tag had; of one that was set, what it has now and what it had before."""
    if undone.acts_as != "set":
        return str(row.value)
    return json.dumps([None, row.value] if row.gone else [row.value, row.previous])


def _open(connection: Connection, job_id: UUID, cut: Iterator[Chunk]) -> None:
    while batch := list(islice(cut, _BATCH)):
        connection.execute(insert(chunk_table), [chunk.row(job_id, "open") for chunk in batch])


def _opened(connection: Connection, job_id: UUID) -> tuple[int, int]:
    query = select(func.count(), func.coalesce(func.sum(chunk_table.c["items"]), 0))
    count, items = connection.execute(query.where(chunk_table.c.job_id == job_id)).one()
    return int(count), int(items)
