"""Read jobs: one, locked or not; lists; counts. Nothing here changes a row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    true,
)

from tagsweep.worker.errors import NoSuchJob
from tagsweep.worker.models.records import ENDS, JobRecord
from tagsweep.worker.models.tables import ago
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables import set_aside as set_aside_table

COLUMNS = tuple(jobs.c[field.name] for field in fields(JobRecord))

_THIS = select(*COLUMNS).where(jobs.c.id == bindparam("this", type_=jobs.c.id.type))
_THIS_LOCKED = _THIS.with_for_update(key_share=True)
_THIS_IF_FREE = _THIS.with_for_update(key_share=True, skip_locked=True)


def find(connection: Connection, job_id: UUID) -> JobRecord | None:
    """Return the job as it is now; None if there is none."""
    row = connection.execute(_THIS, {"this": job_id}).one_or_none()
    return JobRecord(*row) if row else None


def get(connection: Connection, job_id: UUID) -> JobRecord:
    """Return the job as it is now; raises NoSuchJob."""
    return _existing(find(connection, job_id), job_id)


def of_tenant(connection: Connection, job_id: UUID, tenant: str) -> JobRecord:
    """Return the tenant's job as it is now; raises NoSuchJob, also if it is another tenant's."""
    job = find(connection, job_id)
    return _existing(job if job and job.tenant == tenant else None, job_id)


def lock(connection: Connection, job_id: UUID) -> JobRecord:
    """Return the job, its row locked until the end of the transaction; raises NoSuchJob."""
    row = connection.execute(_THIS_LOCKED, {"this": job_id}).one_or_none()
    return _existing(JobRecord(*row) if row else None, job_id)


def lock_if_free(connection: Connection, job_id: UUID) -> JobRecord | None:
    """Return the job, locked as by ``lock``; None if it is locked, or there is none."""
    row = connection.execute(_THIS_IF_FREE, {"this": job_id}).one_or_none()
    return JobRecord(*row) if row else None


def _existing(job: JobRecord | None, job_id: UUID) -> JobRecord:
    if job is None:
        raise NoSuchJob(f"There is no job {job_id}.")
    return job


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter on jobs, of one tenant or, for those who may see them, of all."""

    tenant: str | None = None
    kind: str | None = None
    status: str | None = None
    since: datetime | None = None  #: accepted then or later
    by: str | None = None  #: the name of who asked for them

    def condition(self) -> ColumnElement[bool]:
        """Return the filter as SQL."""
        conditions: list[ColumnElement[bool]] = []
        if self.tenant is not None:
            conditions.append(jobs.c.tenant == self.tenant)
        if self.kind is not None:
            conditions.append(jobs.c.kind == self.kind)
        if self.status is not None:
            conditions.append(jobs.c.status == self.status)
        if self.since is not None:
            conditions.append(jobs.c.accepted_at >= self.since)
        if self.by is not None:
            conditions.append(jobs.c.requested_by["name"].as_string() == self.by)
        return and_(true(), *conditions)


def count(connection: Connection, filter_: JobFilter) -> int:
    """Return how many jobs match the filter."""
    query = select(func.count()).select_from(jobs).where(filter_.condition())
    return int(connection.execute(query).scalar_one())


def page(  # noqa: PLR0913  # of what, and from where on
    connection: Connection,
    filter_: JobFilter,
    cursor: tuple[datetime, UUID] | None,
    limit: int,
    *,
    back: bool = False,
    offset: int = 0,
) -> list[JobRecord]:
    """Return matching jobs, newest first, after ``cursor`` (accepted at, id).

    ``back``: those before it, in the opposite order, nearest first. ``offset``: how many of them to
    skip.
    """
    query = select(*COLUMNS).where(filter_.condition()).limit(limit).offset(offset)
    if cursor is not None:
        query = query.where(_newer(*cursor) if back else _older(*cursor))
    order = (jobs.c.accepted_at, jobs.c.id)
    query = query.order_by(*(order if back else (column.desc() for column in order)))
    return [JobRecord(*row) for row in connection.execute(query)]


def running(
    connection: Connection, tenants: Collection[str] | None, limit: int = 200
) -> list[JobRecord]:
    """Return jobs of these tenants, or of all (None), that have open chunks."""
    query = select(*COLUMNS).where(jobs.c.open > 0)
    if tenants is not None:
        query = query.where(jobs.c.tenant.in_(tenants))
    rows = connection.execute(query.order_by(jobs.c.accepted_at).limit(limit))
    return [JobRecord(*row) for row in rows]


def totals(connection: Connection) -> list[Row[Any]]:
    """Return jobs and items changed, by ``kind``, ``status``, ``adds`` and ``reverts``.

    Reads every job. A dry run has changed nothing.
    """
    columns = (jobs.c.kind, jobs.c.status, jobs.c.adds, jobs.c.reverts)
    changed = case((jobs.c.head["dry_run"].as_boolean(), 0), else_=jobs.c.changed - jobs.c.present)
    numbers = (func.count().label("jobs"), func.sum(changed).label("changed"))
    return list(connection.execute(select(*columns, *numbers).group_by(*columns)).all())


def open_chunks(connection: Connection) -> int:
    """Return how many chunks are open."""
    query = select(func.coalesce(func.sum(jobs.c.open), 0)).where(jobs.c.open > 0)
    return int(connection.execute(query).scalar_one())


def stuck(connection: Connection, seconds: float, limit: int = 20) -> list[JobRecord]:
    """Return unpaused jobs that made no progress for ``seconds``.

    Without streams, which wait for their producer, and jobs that are put off.
    """
    moved = func.coalesce(jobs.c.served_at, jobs.c.started_at, jobs.c.part_at, jobs.c.accepted_at)
    whole = and_(jobs.c.status == "queued", jobs.c.parts_in >= jobs.c.parts)
    still = and_(or_(jobs.c.open > 0, whole), ~jobs.c.paused, moved < ago(seconds))
    query = (
        select(*COLUMNS)
        .where(still, jobs.c.waiting.is_(None))
        .order_by(jobs.c.accepted_at)
        .limit(limit)
    )
    return [JobRecord(*row) for row in connection.execute(query)]


def waiting(connection: Connection) -> tuple[int, JobRecord | None]:
    """Return how many jobs are put off because the store refuses them, and the oldest of them."""
    these = and_(jobs.c.waiting.is_not(None), or_(jobs.c.open > 0, jobs.c.status == "queued"))
    oldest = select(*COLUMNS).where(these).order_by(jobs.c.accepted_at, jobs.c.id).limit(1)
    row = connection.execute(oldest).first()
    if row is None:
        return 0, None
    count = select(func.count()).select_from(jobs).where(these)
    return int(connection.execute(count).scalar_one()), JobRecord(*row)


def paused(connection: Connection, limit: int = 20) -> list[JobRecord]:
    """Return paused jobs."""
    query = select(*COLUMNS).where(jobs.c.paused, jobs.c.status.not_in(ENDS))
    rows = connection.execute(query.order_by(jobs.c.accepted_at).limit(limit))
    return [JobRecord(*row) for row in rows]


def dead_letters(connection: Connection, seconds: float) -> tuple[int, list[str]]:
    """Return how many messages were set aside within ``seconds``, and the commonest reasons."""
    number = func.count().label("number")
    query = select(set_aside_table.c.reason, number).group_by(set_aside_table.c.reason)
    query = query.where(set_aside_table.c.received_at > ago(seconds)).order_by(number.desc())
    rows = connection.execute(query).all()
    return sum(row.number for row in rows), [row.reason for row in rows[:3]]


def _older(moment: datetime, job_id: UUID) -> ColumnElement[bool]:
    same = and_(jobs.c.accepted_at == moment, jobs.c.id < job_id)
    return and_(jobs.c.accepted_at <= moment, or_(jobs.c.accepted_at < moment, same))


def _newer(moment: datetime, job_id: UUID) -> ColumnElement[bool]:
    same = and_(jobs.c.accepted_at == moment, jobs.c.id > job_id)
    return and_(jobs.c.accepted_at >= moment, or_(jobs.c.accepted_at > moment, same))
