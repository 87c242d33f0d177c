"""What is left to do once the last chunk of a job is closed, before it ends: dropping its tags.

A tag goes only without a link. Where a job is to take all of them, it also takes what was attached
while it ran: as further chunks, recorded like the others, the last few of them under a lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, func, insert, select

from tagsweep.worker import database, settings
from tagsweep.worker.errors import ItemError, StoreRefused
from tagsweep.worker.mapping import whole_tags
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import clock
from tagsweep.worker.store import KINDS
from tagsweep.worker.store.tags import dropping

#: members of a job's head that limit what it takes
LIMITS = frozenset({"max_affected", "previewed", "attached_before", "attached_after", "unless"})
REFUSED = "The tags stay: the store refuses to drop them ({})."


@dataclass(frozen=True, slots=True)
class Finish:
    """What has to be written of the job."""

    values: dict[str, Any] = field(default_factory=dict)  #: columns
    by: dict[str, int] = field(default_factory=dict)  #: by how much others have grown


def finish(connection: Connection, job: JobRecord, *, apart: bool) -> Finish:
    """Drop the tags of a job that asks for it, of which no chunk is open.

    Or open further chunks, if links have come since: then the job has not ended. ``apart``: behind
    a savepoint, and what the store refuses is told. Otherwise raises StoreRefused.
    """
    if not job.head.get("drop") or job.unprocessed or job.matched is None:
        return Finish()
    if not apart:
        return _finish(connection, job)
    try:
        with database.savepoint(connection):
            return _finish(connection, job)
    except StoreRefused as refused:
        reason = REFUSED.format(refused.said.rstrip("."))
        return Finish(_warned(job, [{"path": "/drop", "code": "refused", "reason": reason}]))


def _finish(connection: Connection, job: JobRecord) -> Finish:
    done = Outcome()
    if _takes_all(job):
        job = replace(job, as_of=connection.execute(select(clock())).scalar_one())
        if later := _later(connection, job):
            _write(connection, job, later, "open")
            more = {"open": len(later), "total": sum(one.items for one in later)}
            return Finish({"as_of": job.as_of}, more)
    if not job.dry_run:
        dropping.lock(connection, job)
    if _takes_all(job):
        done = _take(connection, job)
    targets, warnings = dropping.drop(connection, job)
    taken = {"changed": done.changed, "total": done.changed}
    return Finish({"matched": targets, **_warned(job, warnings)}, taken if done.changed else {})


def _takes_all(job: JobRecord) -> bool:
    """Tell whether nothing limits what the job takes: not to some, nor to a number, nor a time."""
    if job.kind != "detach" or job.failed or job.dry_run or not LIMITS.isdisjoint(job.head):
        return False
    return all(job.head.get(name) == every for name, every in whole_tags.every().items())


def _later(connection: Connection, job: JobRecord) -> list[Chunk]:
    """Return the links that have come since, as ranges; those with a time in the future stay."""
    first, kind = _next_number(connection, job), KINDS[job.kind]
    cut = list(kind.cut(connection, job, settings.load().chunk_size))
    some = [one for one in cut if kind.count(connection, job, one)]
    return [replace(one, number=number) for number, one in enumerate(some, first)]


def _take(connection: Connection, job: JobRecord) -> Outcome:
    """Remove what came between the last look and the lock, in this very transaction."""
    job = replace(job, as_of=connection.execute(select(clock())).scalar_one())
    done = Outcome()
    for one in _later(connection, job):
        outcome = KINDS[job.kind].apply(connection, job, one)
        _write(connection, job, [replace(one, items=outcome.changed)], "done")
        done += outcome
    return done


def _write(connection: Connection, job: JobRecord, some: list[Chunk], state: str) -> None:
    connection.execute(insert(chunks), [one.row(job.id, state) for one in some])


def _next_number(connection: Connection, job: JobRecord) -> int:
    highest = select(func.coalesce(func.max(chunks.c.number), -1)).where(chunks.c.job_id == job.id)
    return int(connection.execute(highest).scalar_one()) + 1


def _warned(job: JobRecord, warnings: list[ItemError]) -> dict[str, Any]:
    return {"warnings": [*(job.warnings or []), *warnings] or None}
