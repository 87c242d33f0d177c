"""Which chunk is applied next, and which jobs wait for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true

from tagsweep.worker.jobs import queries
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import clock
from tagsweep.worker.models.tables import job as jobs


def claim(connection: Connection) -> tuple[JobRecord, Chunk] | None:
    """Lock and return the next chunk, with its job; None if none is open.

    That is the first open chunk of the tenant served longest ago, of that tenant's job served
    longest ago. Chunks that are put off, or locked by another worker, are skipped: no worker waits
    for another.
    """
    other = jobs.alias("other")
    tenants_turn = select(func.max(other.c.served_at)).where(other.c.tenant == jobs.c.tenant)
    order = (
        tenants_turn.scalar_subquery().nulls_first(),
        jobs.c.served_at.nulls_first(),
        jobs.c.accepted_at,
    )
    waiting = select(jobs.c.id).where(_open()).order_by(*order)
    if connection.dialect.name == "sqlite":  # it has no other worker at the same time
        waiting = waiting.where(_has_chunk()).limit(1)
    turn = waiting.subquery("turn")
    first = select(chunks).where(chunks.c.job_id == turn.c.id, _due_chunk())
    first = first.order_by(chunks.c.number).limit(1)
    if connection.dialect.name == "sqlite":
        first = first.where(chunks.c.job_id == select(turn.c.id).scalar_subquery())
        row = connection.execute(first.correlate(None)).one_or_none()
    else:
        held = first.with_for_update(skip_locked=True).lateral("held")
        query = select(held).select_from(turn.join(held, true())).limit(1)
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    job = queries.find(connection, row.job_id)
    assert job is not None  # the chunk's foreign key  # noqa: S101
    return job, Chunk.of(row)


def claim_again(
    connection: Connection, job_id: UUID, number: int
) -> tuple[JobRecord, Chunk] | None:
    """Lock and return the given chunk, with its job; None if it is closed, or locked, by now."""
    this = and_(chunks.c.job_id == job_id, chunks.c.number == number, chunks.c.state == "open")
    held = select(chunks).where(this).with_for_update(skip_locked=True)
    row = connection.execute(held).one_or_none()
    return (queries.get(connection, job_id), Chunk.of(row)) if row else None


def open_chunks(connection: Connection, job: JobRecord) -> Iterator[Chunk]:
    """Yield the open chunks of a job that the caller has locked, reading one at a time."""
    this = and_(chunks.c.job_id == job.id, chunks.c.state == "open")
    next_one = select(chunks).where(this).order_by(chunks.c.number).limit(1)
    number = -1
    while row := connection.execute(next_one.where(chunks.c.number > number)).one_or_none():
        yield Chunk.of(row)
        number = row.number


def any_open(connection: Connection) -> bool:
    """Tell whether any chunk is open and not put off."""
    query = select(jobs.c.id).where(_open(), _has_chunk()).limit(1)
    return connection.execute(query).first() is not None


def any_incomplete(connection: Connection) -> bool:
    """Tell whether any streamed job waits for parts."""
    waiting = select(jobs.c.id).where(jobs.c.status == "queued", jobs.c.nonce.is_not(None))
    return connection.execute(waiting.limit(1)).first() is not None


def ready_to_split(connection: Connection, most: int = 100) -> list[UUID]:
    """Return jobs that are complete, not split and not put off, oldest first."""
    whole = and_(jobs.c.status == "queued", jobs.c.parts.is_not(None), _due(jobs.c.retry_at))
    query = select(jobs.c.id).where(whole, jobs.c.parts_in >= jobs.c.parts)
    return list(connection.execute(query.order_by(jobs.c.accepted_at).limit(most)).scalars())


def _open() -> ColumnElement[bool]:
    return and_(jobs.c.open > 0, ~jobs.c.paused, _due(jobs.c.retry_at))


def _has_chunk() -> ColumnElement[bool]:
    return select(chunks.c.number).where(chunks.c.job_id == jobs.c.id, _due_chunk()).exists()


def _due_chunk() -> ColumnElement[bool]:
    return and_(chunks.c.state == "open", _due(chunks.c.retry_at))


def _due(retry_at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that something is not put off (``jobs.backoff``)."""
    return or_(retry_at.is_(None), retry_at <= clock())
