"""Which chunk is applied next, and which jobs wait for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, true

from tagsweep.worker.jobs import queries
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import ago, clock
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs

#: seconds for which a job that may be withdrawn is left to whoever recorded it: he is about to ask
#: a worker to start it, or, if the broker takes no messages, to say that nothing was done
WITHDRAWABLE_S = 3


def claim(connection: Connection) -> tuple[JobRecord, Chunk] | None:
    """Lock and return the next chunk, with its job; None if none is open.

    That is the first open chunk of the tenant served longest ago, of that tenant's job served
    longest ago. Chunks that are put off, or locked by another worker, are skipped: no worker waits
    for another.
    """
    order = (_tenants_turn(), jobs.c.served_at.nulls_first(), jobs.c.accepted_at)
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


def next_to_split(connection: Connection) -> UUID | None:
    """Return the recorded job whose turn it is to be split; None if none waits for it.

    That is the oldest one of the tenant served longest ago. One that another worker has locked is
    skipped; the lock on the returned one ends with the transaction.
    """
    query = select(jobs.c.id).where(_ready_to_split())
    query = query.order_by(_tenants_turn(), jobs.c.accepted_at).limit(1)
    query = query.with_for_update(of=jobs, key_share=True, skip_locked=True)
    return connection.execute(query).scalar_one_or_none()


def any_to_split(connection: Connection) -> bool:
    """Tell whether any job is complete, not split and not put off."""
    query = select(jobs.c.id).where(_ready_to_split()).limit(1)
    return connection.execute(query).first() is not None


def _ready_to_split() -> ColumnElement[bool]:
    whole = and_(jobs.c.parts.is_not(None), jobs.c.parts_in >= jobs.c.parts)
    kept = or_(jobs.c.nonce.is_(None), jobs.c.accepted_at < ago(WITHDRAWABLE_S))
    return and_(jobs.c.status == "queued", whole, kept, _due(jobs.c.retry_at))


def _tenants_turn() -> ColumnElement[Any]:
    """Return what orders jobs by when their tenant was served, the one served longest ago first."""
    other = jobs.alias("other")
    served = select(func.max(other.c.served_at)).where(other.c.tenant == jobs.c.tenant)
    return served.scalar_subquery().nulls_first()


def _open() -> ColumnElement[bool]:
    return and_(jobs.c.open > 0, ~jobs.c.paused, _due(jobs.c.retry_at))


def _has_chunk() -> ColumnElement[bool]:
    return select(chunks.c.number).where(chunks.c.job_id == jobs.c.id, _due_chunk()).exists()


def _due_chunk() -> ColumnElement[bool]:
    return and_(chunks.c.state == "open", _due(chunks.c.retry_at))


def _due(retry_at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that something is not put off (``jobs.backoff``)."""
    return or_(retry_at.is_(None), retry_at <= clock())
