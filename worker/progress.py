"""Jobs and their chunks: what each of them comes to, and which transaction ends a job.

Locks are always taken in the order chunk, links, job, tags by id, outbox. A job is counted down by
one UPDATE of its row, never by counting chunks: two last chunks would each see the other one open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Update, and_, bindparam, insert, select, update

from worker import failures, outbox, selection
from worker.errors import ItemError, NoSuchJob
from worker.models import counts
from worker.models.events import MOST_ERRORS, Completion, JobCompleted
from worker.models.records import Chunk, JobRecord, Outcome, Report
from worker.models.tables import chunk as chunks
from worker.models.tables import job as jobs
from worker.models.types import clock
from worker.store import KINDS

COLUMNS = tuple(jobs.c[field.name] for field in fields(JobRecord))

_THIS = select(*COLUMNS).where(jobs.c.id == bindparam("this", type_=jobs.c.id.type))
_THIS_HELD = _THIS.with_for_update(key_share=True)
_NEW_CHUNK = insert(chunks)


def find(connection: Connection, job_id: UUID) -> JobRecord | None:
    """Return the job as it is now; None where there is none."""
    row = connection.execute(_THIS, {"this": job_id}).one_or_none()
    return JobRecord(*row) if row else None


def known(connection: Connection, job_id: UUID) -> JobRecord:
    """Return the job as it is now; raises NoSuchJob."""
    job = find(connection, job_id)
    if job is None:
        raise NoSuchJob(f"There is no job {job_id}.")
    return job


def get(connection: Connection, job_id: UUID) -> JobRecord:
    """Return the job and hold it till the end of the transaction; raises NoSuchJob."""
    row = connection.execute(_THIS_HELD, {"this": job_id}).one_or_none()
    if row is None:
        raise NoSuchJob(f"There is no job {job_id}.")
    return JobRecord(*row)


def begin(
    connection: Connection, job: JobRecord, matched: list[dict[str, Any]], opened: int, total: int
) -> JobRecord:
    """Let a job run whose ``opened`` chunks hold ``total`` items; without any it has ended."""
    counted: dict[str, Any] = {"matched": matched, "open": opened, "total": total}
    running = change(connection, job, now=("started_at",), status="running", **counted)
    return running if opened else end(connection, running)


def complete(connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome) -> JobRecord:
    """End a job whose only ``chunk`` was applied before anything of it was written.

    What splitting, beginning, closing and ending it write elsewhere one by one is written at once.
    """
    connection.execute(_NEW_CHUNK, chunk.row(job.id, "done"))
    absent, more = selection.rest(connection, job, chunk, outcome)
    done: dict[str, Any] = {
        "total": chunk.items + more,
        "removed": outcome.removed,
        "absent": absent,
        "failed": outcome.failed,
    }
    if outcome.failures:
        done |= failures.add(connection, job, chunk, outcome.failures)
    begun = {"matched": job.matched, "started_at": job.accepted_at}
    return end(connection, replace(job, **done), begun=begun | done)


def prepare(connection: Connection, job: JobRecord) -> JobRecord:
    """Create what must be there before the job's first chunk is applied."""
    prepared = KINDS[job.kind].prepare(connection, job)
    if prepared == job.targets:
        return job
    return change(connection, job, matched=prepared)


def refuse(connection: Connection, job: JobRecord, error: ItemError) -> JobRecord:
    """End a job ``rejected`` of which no chunk has begun: all its items stay unprocessed."""
    this = and_(chunks.c.job_id == job.id, chunks.c.state == "open")
    connection.execute(update(chunks).where(this).values(state="dropped"))
    return end(connection, job, "rejected", [error])


def close(connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome) -> JobRecord:
    """Close a chunk that was applied, count the job down, and end it where this was the last."""
    _close_chunk(connection, job, chunk, "done")
    absent, more = selection.rest(connection, job, chunk, outcome)
    by = {"open": -1, "removed": outcome.removed, "failed": outcome.failed}
    by |= {"absent": absent, "total": more}
    counted = change(connection, job, by=by, now=("served_at",))
    if outcome.failures:
        noted = failures.add(connection, counted, chunk, outcome.failures)
        counted = change(connection, counted, **noted)
    return counted if counted.open else end(connection, counted)


def drop(connection: Connection, job: JobRecord, chunk: Chunk) -> JobRecord:
    """Close a chunk of a cancelled job untried; its items stay unprocessed."""
    _close_chunk(connection, job, chunk, "dropped")
    counted = change(connection, job, by={"open": -1})
    return counted if counted.open else end(connection, counted)


def cancel(connection: Connection, job_id: UUID) -> JobRecord:
    """Let no further chunk of the job begin; those that workers hold are finished and count.

    A job that has ended stays as it is. Raises NoSuchJob.
    """
    job = get(connection, job_id)
    if job.ended:
        return job
    open_ones = select(chunks.c.number).where(chunks.c.job_id == job_id, chunks.c.state == "open")
    held = open_ones.with_for_update(skip_locked=True).cte("held")
    this = and_(chunks.c.job_id == job_id, chunks.c.number.in_(select(held.c.number)))
    dropping = update(chunks).where(this).values(state="dropped").returning(chunks.c.number)
    dropped = len(connection.execute(dropping).all())
    # paused, a chunk that its worker lost would never be dropped
    by = {"open": -dropped}
    cancelled = change(connection, job, by=by, cancelling=True, paused=False)
    return cancelled if cancelled.open else end(connection, cancelled, "cancelled")


def end(
    connection: Connection,
    job: JobRecord,
    status: str | None = None,
    errors: list[ItemError] | None = None,
    begun: dict[str, Any] | None = None,
) -> JobRecord:
    """End the job, and write its completion event in this same transaction.

    The only way in which a job ends: rejection, failure and cancellation take it too. ``begun``:
    columns of it that are to be written with its end, where it begins and ends in one.
    """
    if errors:
        job = change(connection, job, **failures.noted(job, errors))
    found = job.matched is not None
    report = KINDS[job.kind].report(connection, job) if found else Report([])
    ended = change(
        connection,
        job,
        now=("finished_at", "served_at") if begun else ("finished_at",),
        by={"ends": 1},
        remaining=selection.remaining(connection, job),
        status=status or _status(job),
        open=0,
        **(begun or {}),
    )
    outbox.append(connection, JobCompleted(end=ended.ends, completion=_completion(ended, report)))
    return ended


def give_up(connection: Connection, job_id: UUID, reason: str) -> None:
    """End a job ``failed`` that could not begin; one that has begun goes on. Raises NoSuchJob."""
    job = get(connection, job_id)
    if job.status == "queued":
        end(connection, job, "failed", [{"path": "", "code": "gave_up", "reason": reason}])


def change(
    connection: Connection,
    job: JobRecord,
    *,
    now: tuple[str, ...] = (),
    by: Mapping[str, int] | None = None,
    **values: Any,
) -> JobRecord:
    """Write ``values`` into the job's row, which stays held, and return the job as it is then.

    ``now``: columns that are set to the present; ``by``: columns that are added to, and how much.
    """
    by = by or {}
    told = {f"to_{name}": value for name, value in values.items()}
    told |= {f"by_{name}": value for name, value in by.items()}
    statement = _changing(tuple(values), now, tuple(by))
    return JobRecord(*connection.execute(statement, {"this": job.id, **told}).one())


@cache
def _changing(values: tuple[str, ...], now: tuple[str, ...], by: tuple[str, ...]) -> Update:
    """Return the statement of a change: to put one together takes longer than to execute it."""
    changed: dict[str, Any] = {
        name: bindparam(f"to_{name}", type_=jobs.c[name].type) for name in values
    }
    changed |= {name: clock() for name in now}
    changed |= {
        name: jobs.c[name] + bindparam(f"by_{name}", type_=jobs.c[name].type) for name in by
    }
    this = jobs.c.id == bindparam("this", type_=jobs.c.id.type)
    return update(jobs).where(this).values(changed).returning(*COLUMNS)


def _close_chunk(connection: Connection, job: JobRecord, chunk: Chunk, state: str) -> None:
    this = and_(chunks.c.job_id == job.id, chunks.c.number == chunk.number)
    connection.execute(update(chunks).where(this).values(state=state))


def _status(job: JobRecord) -> str:
    if job.cancelling and job.unprocessed:
        return "cancelled"
    return "partial" if job.failed else "succeeded"


def _completion(job: JobRecord, report: Report) -> Completion:
    return Completion(
        job_id=job.id,
        kind=job.kind,
        tenant=job.tenant,
        status=job.status,
        tags=report.tags,
        counts=counts.of(job),
        accepted_at=job.accepted_at,
        started_at=job.started_at,
        finished_at=job.finished_at or job.accepted_at,
        errors=[dict(error) for error in job.errors],
        errors_total=job.errors_total if job.errors_total > MOST_ERRORS else None,
        tags_truncated=report.truncated,
        undoes=job.head.get("job"),
        dry_run=job.dry_run or None,
        remaining=job.remaining,
    )
