"""Retention: delete expired records and jobs, a little at a time, in short transactions.

First the record of what a job changed expires, later the job itself. However many workers look, one
of them deletes; if it is killed half-way, the next one continues.
"""

from __future__ import annotations

import time
from functools import partial
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, literal_column, select
from sqlalchemy import update as change

from tagsweep.worker import database, settings
from tagsweep.worker.audit import trail
from tagsweep.worker.events import outbox
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.tables import (
    ago,
    attempt,
    audit_entry,
    chore,
    chunk,
    clock,
    heartbeat,
    link_change,
    set_aside,
    throughput,
    workspace_tag_change,
)
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.webhooks import deliveries

#: seconds that it works at a time, so that no job waits for it
SLICE_S = 0.2
#: seconds until the next look: if everything is done, and if more is left
EVERY_S, SOON_S = 60, 1
#: rows deleted in one transaction
MOST_ROWS = 200
DAY_S = 86_400
#: seconds for which items a minute are kept, and workers of which nothing is seen
ACTIVITY_S = 7_200

_DUE = chore.c.due_at <= clock()


def keep() -> None:
    """Delete what has expired, unless a worker has looked within the last minute."""
    if not _reserved():
        return
    until = time.monotonic() + SLICE_S
    while time.monotonic() < until:
        if not any(expired() for expired in _EXPIRED):
            return
    with database.transaction() as connection:
        connection.execute(change(chore).values(due_at=ago(-SOON_S)))


def is_due(connection: Connection) -> bool:
    """Tell whether it is time to look for what has expired."""
    return connection.execute(select(chore.c.id).where(_DUE)).first() is not None


def _reserved() -> bool:
    """Reserve the turn for this worker; return False if it is not due."""
    taken = change(chore).where(_DUE).values(due_at=ago(-EVERY_S)).returning(chore.c.id)
    with database.transaction() as connection:
        return connection.execute(taken).first() is not None


def _forget() -> bool:
    """Delete the record of what one job changed; return False if none has expired."""
    days = min(settings.load().keep_removals_days, settings.load().keep_jobs_days)
    with database.transaction() as connection:
        job_id = _oldest(connection, days, jobs.c.forgotten_at.is_(None))
        if job_id is None:
            return False
        # first: a job must not be undone or retried from half a record
        forgotten = change(jobs).where(jobs.c.id == job_id).values(forgotten_at=clock())
        connection.execute(forgotten)
    _empty(job_id)
    return True


def _delete() -> bool:
    """Delete one job with everything that belongs to it; return False if none has expired."""
    days = settings.load().keep_jobs_days
    old = jobs.c.forgotten_at.is_not(None) & outbox.is_published(jobs.c.id)
    with database.reading() as connection:
        job_id = _oldest(connection, days, old, hold=False)
    if job_id is None:
        return False
    _empty(job_id)
    with database.transaction() as connection:
        if _oldest(connection, days, old & (jobs.c.id == job_id)):
            outbox.drop(connection, job_id)
            trail.keep_creation(connection, job_id)
            connection.execute(delete(jobs).where(jobs.c.id == job_id))
    return True


def _expire() -> bool:
    """Delete some old deliveries of webhooks; return False if there are none."""
    with database.transaction() as connection:
        days = max(settings.load().keep_jobs_days, deliveries.LEAST_DAYS)
        return deliveries.expire(connection, days * DAY_S)


def _oldest(
    connection: Connection, days: int, condition: ColumnElement[bool], *, hold: bool = True
) -> UUID | None:
    """Return the job that ended first, if at least ``days`` ago; locked jobs are skipped."""
    ended = jobs.c.status.in_(ENDS) & (jobs.c.finished_at < ago(days * DAY_S))
    query = select(jobs.c.id).where(ended, condition).order_by(jobs.c.finished_at).limit(1)
    found: UUID | None = connection.execute(
        query.with_for_update(skip_locked=True) if hold else query
    ).scalar()
    return found


def _empty(job_id: UUID) -> None:
    """Delete a job's chunks and the record of what it changed, MOST_ROWS rows at a time."""
    for table in (link_change, workspace_tag_change, chunk):
        while _delete_some(table, table.c.job_id == job_id) == MOST_ROWS:
            pass


def _drop(seen_at: Column[object], seconds: float | None = None) -> bool:
    """Delete some old rows of the table of ``seen_at``; return False if there are none.

    ``seconds``: how old they may be; as old as jobs by default.
    """
    kept_s = settings.load().keep_jobs_days * DAY_S if seconds is None else seconds
    return _delete_some(seen_at.table, seen_at < ago(kept_s)) > 0


def _drop_entries() -> bool:
    """Delete some expired entries of the audit; return False if there are none."""
    return _delete_some(audit_entry, audit_entry.c.expires_at <= clock()) > 0


def _delete_some(table: Table, condition: ColumnElement[bool]) -> int:
    with database.transaction() as connection:
        name = "rowid" if connection.dialect.name == "sqlite" else "ctid"
        # without the table's name: in the inner query that would be the outer one's, where
        # SQLAlchemy gives the inner one an alias, and every row would be old
        place: ColumnElement[object] = literal_column(name)
        some = select(place).select_from(table).where(condition).limit(MOST_ROWS)
        gone = delete(table).where(place.in_(some.scalar_subquery()))
        return len(connection.execute(gone.returning(literal_column("1"))).all())


#: what deletes a little of what has expired, and tells whether there was any
_EXPIRED = (
    _forget,
    _delete,
    partial(_drop, set_aside.c.received_at),
    partial(_drop, attempt.c.seen_at),
    _drop_entries,
    _expire,
    partial(_drop, throughput.c.minute, ACTIVITY_S),
    partial(_drop, heartbeat.c.seen_at, ACTIVITY_S),
)
