"""What happened to a job, in order: what its row, events, undos and the audit trail tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from tagsweep.worker.audit import entries
from tagsweep.worker.audit.entries import EntryFilter
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables import outbox

#: most ends, most undos, and most of what people did, that are told
MOST = 20
#: what people did, as it is told
_ACTS = {
    "job.cancel": "cancelled",
    "job.pause": "paused",
    "job.resume": "resumed",
    "job.retry": "retried",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a job."""

    #: accepted, started, ended, cancelled, paused, resumed, retried, undone; now also: cancelling,
    #: paused, waiting
    what: str
    at: datetime | None  #: None: it is so now
    detail: str | None = None
    by: str | None = None
    job: str | None = None  #: another job that it is about


def read(connection: Connection, job: JobRecord) -> list[Happening]:
    """Return what happened to the job, oldest first, what is so now last."""
    by = (job.requested_by or {}).get("name")
    told = [Happening("accepted", job.accepted_at, by=by)]
    if job.started_at is not None:
        told.append(Happening("started", job.started_at))
    told += [*_acts(connection, job), *_ends(connection, job), *_undos(connection, job)]
    return [*sorted(told, key=lambda one: one.at or job.accepted_at), *_now(job)]


def _acts(connection: Connection, job: JobRecord) -> list[Happening]:
    """Return what people did to the job, the latest if that was very often."""
    found = entries.page(connection, EntryFilter(job=job.id), None, MOST)
    return [
        Happening(_ACTS[one.action], one.at, by=(one.requested_by or {}).get("name"))
        for one in reversed(found)
        if one.action in _ACTS
    ]


def _ends(connection: Connection, job: JobRecord) -> list[Happening]:
    """Return each end of the job."""
    query = select(outbox.c.event).where(outbox.c.job_id == job.id).order_by(outbox.c.end)
    events = [json.loads(event) for event in connection.execute(query.limit(MOST)).scalars()]
    return [
        Happening("ended", datetime.fromisoformat(event["time"]), _outcome(event))
        for event in events
    ]


def _outcome(event: dict[str, Any]) -> str:
    data = event["data"]
    numbers = ", ".join(f"{number:,} {word}" for word, number in data["counts"].items() if number)
    return f"{data['status']}: {numbers or 'no items'}"


def _undos(connection: Connection, job: JobRecord) -> list[Happening]:
    if job.finished_at is None:
        return []
    undone = jobs.c.head["job"].as_string() == str(job.id)
    query = select(jobs.c.id, jobs.c.accepted_at, jobs.c.requested_by)
    query = query.where(jobs.c.kind == "undo", jobs.c.tenant == job.tenant, undone)
    query = query.where(jobs.c.accepted_at >= job.accepted_at).order_by(jobs.c.accepted_at)
    return [
        Happening(
            "undone", row.accepted_at, by=(row.requested_by or {}).get("name"), job=str(row.id)
        )
        for row in connection.execute(query.limit(MOST))
    ]


def _now(job: JobRecord) -> list[Happening]:
    if job.ended:
        return []
    states = {"cancelling": job.cancelling, "paused": job.paused, "waiting": job.waiting}
    return [
        Happening(name, None, job.waiting if name == "waiting" else None)
        for name, so in states.items()
        if so
    ]
