"""Start and end jobs and close their chunks.

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
from tagsweep.worker.jobs import failures, finishing, parts, queries, report, waits
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import clock
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.store import KINDS

#: columns of a job, or a chunk, that is not put off (any more)
NOT_WAITING: dict[str, Any] = {"waiting": None, "tries": 0, "retry_at": None}

_NEW_CHUNK = insert(chunks)


def begin(
    connection: Connection, job: JobRecord, matched: list[dict[str, Any]], opened: int, total: int
) -> JobRecord:
    """Mark a job as running whose ``opened`` chunks hold ``total`` items; end it if it has none.

    It ends with a warning then, or, if it is strict, ``rejected``.
    """
    is_empty = not opened and not _has_tags_alone(job, matched)
    if is_empty and not job.warnings:
        job = replace(job, warnings=[report.NOTHING])
    counted: dict[str, Any] = {"matched": matched, "open": opened, "total": total}
    counted["warnings"] = job.warnings
    if job.tries:
        counted |= NOT_WAITING | waits.over(connection, job.id)
    running = change(connection, job, now=("started_at",), status="running", **counted)
    if opened:
        return running
    if is_empty and job.head.get("strict"):
        return end(connection, running, "rejected", job.warnings, apart=job.tries > 0)
    return end(connection, running, apart=job.tries > 0)


def _has_tags_alone(job: JobRecord, matched: list[dict[str, Any]]) -> bool:
    """Tell whether the job is also about tags themselves, which may have no link at all."""
    return bool(matched) and bool(job.head.get("drop") or job.kind == "undo")


def complete(connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome) -> JobRecord:
    """End a job whose only ``chunk`` was applied before anything of the job was written.

    Writes at once what is otherwise written when a job is split, started, counted down and ended.
    """
    absent, more = KINDS[job.kind].untouched(connection, job, chunk, outcome)
    chunk = replace(chunk, items=chunk.items + more)
    connection.execute(_NEW_CHUNK, chunk.row(job.id, "done"))
    done: dict[str, Any] = {
        "total": chunk.items,
        "changed": outcome.changed,
        "absent": absent,
        "failed": outcome.failed,
        "present": outcome.present,
    }
    if outcome.failures:
        done |= failures.add(connection, job, chunk, outcome.failures)
    begun = {"matched": job.matched, "started_at": job.accepted_at}
    return end(connection, replace(job, **done), begun=begun | done)


def prepare(connection: Connection, job: JobRecord) -> JobRecord:
    """Create what must exist before the job's first chunk is applied."""
    prepared = KINDS[job.kind].prepare(connection, job)
    if prepared == job.targets:
        return job
    # of a job that is done at once, the warnings are not written yet
    return change(connection, job, matched=prepared, warnings=job.warnings)


def refuse(connection: Connection, job: JobRecord, errors: list[ItemError]) -> JobRecord:
    """End a job ``rejected`` of which no chunk was started: all its items stay unprocessed."""
    this = and_(chunks.c.job_id == job.id, chunks.c.state == "open")
    connection.execute(update(chunks).where(this).values(state="dropped"))
    return end(connection, job, "rejected", errors, apart=True)


def close(
    connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome, *, apart: bool = False
) -> JobRecord:
    """Close a chunk that was applied, count the job down, and end it if this was the last chunk.

    ``apart``: see ``end``.
    """
    absent, more = KINDS[job.kind].untouched(connection, job, chunk, outcome)
    _close_chunk(connection, job, chunk, "done", more)
    by = {"open": -1, "changed": outcome.changed, "failed": outcome.failed}
    by |= {"absent": absent, "total": more, "present": outcome.present}
    noted = _not_waiting(connection, job) if job.tries or chunk.tries else {}
    counted = change(connection, job, by=by, now=("served_at",), **noted)
    if outcome.failures:
        noted = failures.add(connection, counted, chunk, outcome.failures)
        counted = change(connection, counted, **noted)
    return counted if counted.open else end(connection, counted, apart=apart or chunk.tries > 0)


def drop(connection: Connection, job: JobRecord, chunk: Chunk) -> JobRecord:
    """Close a chunk of a cancelled job without applying it; its items stay unprocessed."""
    _close_chunk(connection, job, chunk, "dropped")
    counted = change(connection, job, by={"open": -1})
    return counted if counted.open else end(connection, counted, apart=True)


def end(  # noqa: PLR0913  # most are rarely given
    connection: Connection,
    job: JobRecord,
    status: str | None = None,
    errors: list[ItemError] | None = None,
    begun: dict[str, Any] | None = None,
    *,
    apart: bool = False,
) -> JobRecord:
    """End the job, and write its completion event in the same transaction.

    Every job ends here, also if it is rejected, fails or is cancelled; one that finds more to do
    first (``finishing``) goes on instead. ``begun``: more columns to
    write, of a job that starts and ends at once. ``apart``: the store has refused something of the
    job before, so its report is made behind a savepoint (``jobs.report``).
    """
    at_once = begun is not None
    if status is None:
        job = _finished(connection, job, apart=apart)
        if job.open:
            return job
    begun = {**(begun or {}), **report.grown(connection, job)}
    made = report.of(connection, job, apart=apart)
    if errors := [*(errors or []), *made.errors]:
        job = change(connection, job, **failures.noted(job, errors))
    status = status or _status(job)
    ended = change(
        connection,
        job,
        now=("finished_at", "served_at") if at_once else ("finished_at",),
        by={"ends": 1},
        remaining=made.remaining,
        status="partial" if made.errors and status == "succeeded" else status,
        open=0,
        waiting=None,
        warnings=made.warnings,
        **begun,
    )
    report.write(connection, ended, made)
    if status == "rejected" or not job.complete:  # nothing will ever be done again of its lists
        parts.forget(connection, job)
    return ended


def _finished(connection: Connection, job: JobRecord, *, apart: bool) -> JobRecord:
    """Return the job once nothing is left to do before it ends, or with further chunks open."""
    made = finishing.finish(connection, job, apart=apart)
    if not made.values:
        return job
    return change(connection, job, by=made.by, **made.values)


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
    """Write ``values`` into the job's row, which stays locked, and return the job as it is then.

    ``now``: columns to set to the current time; ``by``: columns to increase, and by how much.
    """
    by = by or {}
    parameters = {f"to_{name}": value for name, value in values.items()}
    parameters |= {f"by_{name}": value for name, value in by.items()}
    statement = _changing(tuple(values), now, tuple(by))
    return JobRecord(*connection.execute(statement, {"this": job.id, **parameters}).one())


@cache
def _changing(values: tuple[str, ...], now: tuple[str, ...], by: tuple[str, ...]) -> Update:
    """Return the statement of a change, cached: building it takes longer than executing it."""
    changed: dict[str, Any] = {
        name: bindparam(f"to_{name}", type_=jobs.c[name].type) for name in values
    }
    changed |= {name: clock() for name in now}
    changed |= {
        name: jobs.c[name] + bindparam(f"by_{name}", type_=jobs.c[name].type) for name in by
    }
    this = jobs.c.id == bindparam("this", type_=jobs.c.id.type)
    return update(jobs).where(this).values(changed).returning(*queries.COLUMNS)


def _close_chunk(
    connection: Connection, job: JobRecord, chunk: Chunk, state: str, more: int = 0
) -> None:
    """Close a chunk; ``more``: by how many items it is larger than it was counted."""
    this = and_(chunks.c.job_id == job.id, chunks.c.number == chunk.number)
    changed = {"state": state, **({"items": chunks.c["items"] + more} if more else {})}
    connection.execute(update(chunks).where(this).values(changed))


def _not_waiting(connection: Connection, job: JobRecord) -> dict[str, Any]:
    """Return the columns of a job that was put off and made progress; other chunks may wait."""
    this = and_(chunks.c.job_id == job.id, chunks.c.state == "open", chunks.c.waiting.is_not(None))
    others = select(chunks.c.waiting).where(this).limit(1)
    if waiting := connection.execute(others).scalar():
        return {**NOT_WAITING, "waiting": waiting}
    return NOT_WAITING | waits.over(connection, job.id)


def _status(job: JobRecord) -> str:
    if job.cancelling and job.unprocessed:
        return "cancelled"
    return "partial" if job.failed else "succeeded"
