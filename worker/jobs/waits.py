"""What a job has waited for, and how long: in its own row, so that its history can tell.

Only the latest waits are kept. A job that never waits neither writes nor reads any.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker.models.tables import clock
from tagsweep.worker.models.tables import job as jobs

#: waits of a job that are kept
MOST = 20
#: a wait for the same thing so soon after the last one is the last one, which goes on
SOON = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Wait:
    """A time for which a job was put off."""

    reason: str
    at: datetime
    until: datetime | None = None  #: when it went on; None: it waits, or has ended meanwhile
    times: int = 1  #: how often it was tried, and put off again


def begun(connection: Connection, job_id: UUID, reason: str) -> dict[str, Any]:
    """Return the columns of a job that is put off, now or again; the caller has locked it."""
    known, now, before = _read(connection, job_id)
    last = known[-1] if known else None
    if last is not None and last.reason == reason and _goes_on(last, now, before):
        known[-1] = replace(last, until=None, times=last.times + 1)
        return _columns(known)
    if last is not None and before is not None:  # it has waited for something else until now
        known[-1] = replace(last, until=last.until or now)
    return _columns([*known, Wait(reason, now)])


def over(connection: Connection, job_id: UUID) -> dict[str, Any]:
    """Return the columns of a job that was put off and goes on; its row stays locked."""
    known, now, _ = _read(connection, job_id)
    if not known or known[-1].until is not None:
        return {}
    known[-1] = replace(known[-1], until=now)
    return _columns(known)


def of(connection: Connection, job_id: UUID) -> list[Wait]:
    """Return what the job has waited for, oldest first."""
    found = connection.execute(select(jobs.c.waits).where(jobs.c.id == job_id)).scalar()
    return _waits(found)


def _goes_on(last: Wait, now: datetime, before: str | None) -> bool:
    if last.until is not None:
        return now - last.until <= SOON
    return before is not None  # else it has ended since


def _read(connection: Connection, job_id: UUID) -> tuple[list[Wait], datetime, str | None]:
    """Lock the job; return its waits, the store's time, and what it waits for now."""
    query = select(jobs.c.waits, jobs.c.waiting, clock().label("now")).where(jobs.c.id == job_id)
    row = connection.execute(query.with_for_update(key_share=True)).one()
    return _waits(row.waits), row.now, row.waiting


def _waits(found: list[dict[str, Any]] | None) -> list[Wait]:
    return [
        Wait(
            one["reason"],
            datetime.fromisoformat(one["at"]),
            datetime.fromisoformat(one["until"]) if one["until"] else None,
            one["times"],
        )
        for one in found or ()
    ]


def _columns(known: list[Wait]) -> dict[str, Any]:
    return {"waits": [_plain(one) for one in known[-MOST:]]}


def _plain(wait: Wait) -> dict[str, Any]:
    until = wait.until.isoformat() if wait.until else None
    return {**asdict(wait), "at": wait.at.isoformat(), "until": until}
