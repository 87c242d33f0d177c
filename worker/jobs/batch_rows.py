"""The rows of many small jobs that begin and end in one transaction, written once each.

A job that is written in its final state has one version of its row, in place of three.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, insert, select

from tagsweep.worker.database import LOCK_WAIT_MS, pipelines
from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs.batch_ends import Ended
from tagsweep.worker.jobs.recording import let_the_clock_tick
from tagsweep.worker.models import ids
from tagsweep.worker.models.ids import WIDTH
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import Moment, PackedIds, clock
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables import outbox as outbox_table

_BEGIN = """
    SELECT {moment} AS now, ARRAY(SELECT id FROM @job WHERE id = ANY (:ids)) AS known,
           {settings}
"""
# A plan that was made while the table was small would read the whole of it when it is large.
_SETTINGS = {"lock_timeout": f"{LOCK_WAIT_MS}ms", "enable_seqscan": "off"}
# To plan its DELETE anew, as the server does if it may choose, is a good part of the server's time
# for a small job. A plan for all needs no other join than by an index.
_PLANNED_ONCE = {
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}


def _beginning(settings: Mapping[str, str], moment: str) -> TextClause:
    columns = (
        f"set_config('{name}', '{value}', true) AS with_{name}" for name, value in settings.items()
    )
    sql = _BEGIN.format(settings=", ".join(columns), moment=moment)
    return Statement(sql).bindparams(bindparam("ids", type_=PackedIds()))


#: by whether the statements that follow are planned once for all, and are sent with it
_BEGINNINGS = {
    (planned_once, at_once): _beginning(
        _SETTINGS | (_PLANNED_ONCE if planned_once else {}),
        "now()" if at_once else "clock_timestamp()",
    )
    for planned_once in (False, True)
    for at_once in (False, True)
}
_WRITE = Statement("""
WITH item AS MATERIALIZED (
    SELECT * FROM json_to_recordset(CAST(:jobs AS json)) AS item (
        id uuid, tenant text, kind text, fingerprint text, head json, matched json, total bigint,
        removed bigint, absent bigint, requested_by json, credential uuid, sizes json,
        warnings json, mapped json, event text)
), recorded AS (
    INSERT INTO @job (id, tenant, kind, status, fingerprint, head, parts, matched, total, removed,
                      absent, requested_by, credential, sizes, warnings, mapped, ends,
                      accepted_at, started_at, finished_at, served_at)
    SELECT id, tenant, kind, 'succeeded', decode(fingerprint, 'hex'), head, 0, matched, total,
           removed, absent, requested_by, credential, sizes, warnings, mapped, 1, :accepted_at,
           :accepted_at, :finished_at,
           CASE WHEN total > 0 THEN CAST(:finished_at AS timestamptz) END
    FROM item
), closed AS (
    INSERT INTO @chunk (job_id, number, state, resource_type, ids, names, items)
    SELECT job_id, number, 'done', resource_type, (:ids)[low:high], names, items
    FROM json_to_recordset(CAST(:chunks AS json)) AS item (
        job_id uuid, number int, resource_type smallint, low int, high int, names text[],
        items bigint)
)
INSERT INTO @outbox (job_id, "end", tenant, event) SELECT id, 1, tenant, event FROM item
""").bindparams(
    bindparam("ids", type_=PackedIds()),
    bindparam("accepted_at", type_=Moment()),
    bindparam("finished_at", type_=Moment()),
)
#: what a new job's row is told; the rest of it is as by default
_COLUMNS = (
    *("id", "tenant", "kind", "status", "fingerprint", "head", "parts", "matched", "total"),
    *("changed", "absent", "ends", "accepted_at", "started_at", "finished_at"),
    *("requested_by", "credential", "sizes", "warnings"),
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A transaction in which jobs are to be recorded."""

    now: datetime  #: when they are accepted
    known: frozenset[UUID]  #: ids under which there is a job already


def begin(
    connection: Connection,
    job_ids: Collection[UUID],
    *,
    planned_once: bool = False,
    at_once: bool = False,
) -> Callable[[], Begun]:
    """Return which of these ids are taken, and the moment at which the others are accepted.

    No statement of this transaction waits for a lock longer than LOCK_WAIT_MS from here on. What
    is attached after it is later than that moment. ``planned_once``: the server does not plan the
    statements of this transaction again, which join tables by their indexes alone. ``at_once``: the
    moment is that at which the transaction began, which is known to a statement that is sent with
    this one.
    """
    if is_sqlite(connection):
        query = select(jobs.c.id).where(jobs.c.id.in_(job_ids))
        known = frozenset(connection.execute(query).scalars())
        now = connection.execute(select(clock())).scalar_one()
        let_the_clock_tick(connection)
        begun = Begun(now, known)
        return lambda: begun
    packed = b"".join(one.bytes for one in job_ids)
    rows = pipelines.send(connection, _BEGINNINGS[planned_once, at_once], {"ids": packed})
    return lambda: _begun(*rows())


def _begun(row: Any) -> Begun:
    return Begun(row.now, frozenset(map(UUID, ids.unpack(row.known))))


def write(connection: Connection, ended: Sequence[Ended]) -> None:
    """Write jobs that were accepted at the same moment, their chunks and events: each for good.

    Raises StoreRefused if one of the ids has been taken since the transaction began.
    """
    if not ended:
        return
    if is_sqlite(connection):
        _write_one_by_one(connection, ended)
        return
    first = ended[0].job
    values = {
        "jobs": json.dumps([_row(one) for one in ended]),
        "accepted_at": first.accepted_at,
        "finished_at": first.finished_at,
        **_chunks(ended),
    }
    pipelines.send(connection, _WRITE, values)


def _row(ended: Ended) -> dict[str, Any]:
    job = ended.job
    return {
        "id": str(job.id),
        "tenant": job.tenant,
        "kind": job.kind,
        "fingerprint": job.fingerprint.hex(),
        "head": job.head,
        "matched": job.matched,
        "total": job.total,
        "removed": job.changed,
        "absent": job.absent,
        "requested_by": job.requested_by,
        "credential": job.credential and str(job.credential),
        "sizes": job.sizes,
        "warnings": job.warnings,
        "mapped": job.mapped,
        "event": outbox.text(ended.event),
    }


def _chunks(ended: Sequence[Ended]) -> dict[str, Any]:
    """Return the bind parameters of all chunks: their ids are stretches of one array."""
    rows = []
    low = 1
    for one in ended:
        for chunk in one.chunks:
            high = low + len(chunk.ids) // WIDTH - 1
            rows.append(
                {
                    "job_id": str(one.job.id),
                    "number": chunk.number,
                    "resource_type": chunk.resource_type,
                    "low": low if chunk.ids else None,
                    "high": high if chunk.ids else None,
                    "names": chunk.names or None,
                    "items": chunk.items,
                }
            )
            low = high + 1
    packed = b"".join(chunk.ids for one in ended for chunk in one.chunks)
    return {"chunks": json.dumps(rows), "ids": packed}


def _write_one_by_one(connection: Connection, ended: Sequence[Ended]) -> None:
    """Write row by row: nobody else can have taken an id meanwhile."""
    connection.execute(insert(jobs), [_columns(one.job) for one in ended])
    rows = [chunk.row(one.job.id, "done") for one in ended for chunk in one.chunks]
    if rows:
        connection.execute(insert(chunks), rows)
    connection.execute(insert(outbox_table), [_event(one) for one in ended])


def _columns(job: JobRecord) -> dict[str, Any]:
    served_at = job.finished_at if job.total else None  # as of a job that has had no chunk
    return {name: getattr(job, name) for name in _COLUMNS} | {"served_at": served_at}


def _event(ended: Ended) -> dict[str, Any]:
    job = ended.job
    text = outbox.text(ended.event)
    return {"job_id": job.id, "end": job.ends, "tenant": job.tenant, "event": text}
