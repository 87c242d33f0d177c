"""Jobs and their chunks: what each of them comes to, and which transaction ends a job.

Locks are always taken in the order chunk, links, job, tags by id, outbox. A job is counted down by
one UPDATE of its row, never by counting chunks: two last chunks would each see the other one open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Update, and_, bindparam, insert, select, update

from tagsweep.worker.errors import ItemError
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import backoff, failures, queries, report
from tagsweep.worker.models.events import JobCompleted
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables.types import clock
from tagsweep.worker.store import KINDS

_NEW_CHUNK = insert(chunks)


def begin(
    connection: Connection, job: JobRecord, matched: list[dict[str, Any]], opened: int, total: int
) -> JobRecord:
    """Let a job run whose ``opened`` chunks hold ``total`` items; without any it has ended."""
    counted: dict[str, Any] = {"matched": matched, "open": opened, "total": total}
    if job.tries:
        counted |= backoff.GOT_ON
    running = change(connection, job, now=("started_at",), status="running", **counted)
    return running if opened else end(connection, running, apart=job.tries > 0)


def complete(connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome) -> JobRecord:
    """End a job whose only ``chunk`` was applied before anything of it was written.

    What splitting, beginning, closing and ending it write elsewhere one by one is written at once.
    """
    connection.execute(_NEW_CHUNK, chunk.row(job.id, "done"))
    absent, more = KINDS[job.kind].untouched(connection, job, chunk, outcome)
    done: dict[str, Any] = {
        "total": chunk.items + more,
        "changed": outcome.changed,
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
    return end(connection, job, "rejected", [error], apart=True)


def close(
    connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome, *, apart: bool = False
) -> JobRecord:
    """Close a chunk that was applied, count the job down, and end it where this was the last.

    ``apart``: as of its report.
    """
    _close_chunk(connection, job, chunk, "done")
    absent, more = KINDS[job.kind].untouched(connection, job, chunk, outcome)
    by = {"open": -1, "changed": outcome.changed, "failed": outcome.failed}
    by |= {"absent": absent, "total": more}
    noted = _got_on(connection, job) if job.tries or chunk.tries else {}
    counted = change(connection, job, by=by, now=("served_at",), **noted)
    if outcome.failures:
        noted = failures.add(connection, counted, chunk, outcome.failures)
        counted = change(connection, counted, **noted)
    return counted if counted.open else end(connection, counted, apart=apart or chunk.tries > 0)


def drop(connection: Connection, job: JobRecord, chunk: Chunk) -> JobRecord:
    """Close a chunk of a cancelled job untried; its items stay unprocessed."""
    _close_chunk(connection, job, chunk, "dropped")
    counted = change(connection, job, by={"open": -1})
    return counted if counted.open else end(connection, counted, apart=True)


def end(  # noqa: PLR0913  # of which most are seldom given
    connection: Connection,
    job: JobRecord,
    status: str | None = None,
    errors: list[ItemError] | None = None,
    begun: dict[str, Any] | None = None,
    *,
    apart: bool = False,
) -> JobRecord:
    """End the job, and write its completion event in this same transaction.

    The only way in which a job ends: rejection, failure and cancellation take it too. ``begun``:
    columns of it that are to be written with its end, where it begins and ends in one. ``apart``:
    what the store refuses of its report is done without (``jobs.report``).
    """
    told = report.of(connection, job, apart=apart)
    if errors := [*(errors or []), *told.errors]:
        job = change(connection, job, **failures.noted(job, errors))
    status = status or _status(job)
    ended = change(
        connection,
        job,
        now=("finished_at", "served_at") if begun else ("finished_at",),
        by={"ends": 1},
        remaining=told.remaining,
        status="partial" if told.errors and status == "succeeded" else status,
        open=0,
        waiting=None,
        **(begun or {}),
    )
    completion = report.completion(ended, told)
    outbox.append(connection, JobCompleted(end=ended.ends, completion=completion))
    return ended


def give_up(connection: Connection, job_id: UUID, reason: str) -> JobRecord:
    """End a job ``failed`` that could not start; one that has started continues.

    Raises NoSuchJob.
    """
    job = queries.lock(connection, job_id)
    if job.status != "queued":
        return job
    errors: list[ItemError] = [{"path": "", "code": "gave_up", "reason": reason}]
    return end(connection, job, "failed", errors, apart=True)


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
    return update(jobs).where(this).values(changed).returning(*queries.COLUMNS)


def _close_chunk(connection: Connection, job: JobRecord, chunk: Chunk, state: str) -> None:
    this = and_(chunks.c.job_id == job.id, chunks.c.number == chunk.number)
    connection.execute(update(chunks).where(this).values(state=state))


def _got_on(connection: Connection, job: JobRecord) -> dict[str, Any]:
    """Return what is noted of a job that was put off and got on: other chunks may wait still."""
    this = and_(chunks.c.job_id == job.id, chunks.c.state == "open", chunks.c.waiting.is_not(None))
    others = select(chunks.c.waiting).where(this).limit(1)
    return {**backoff.GOT_ON, "waiting": connection.execute(others).scalar()}


def _status(job: JobRecord) -> str:
    if job.cancelling and job.unprocessed:
        return "cancelled"
    return "partial" if job.failed else "succeeded"
