"""What happened to a job, in order: what its row, its events, the audit and other jobs tell."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from tagsweep.worker.audit import entries
from tagsweep.worker.audit.entries import EntryFilter
from tagsweep.worker.jobs import waits
from tagsweep.worker.jobs.inspection import related
from tagsweep.worker.jobs.inspection.happenings import Happening
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import outbox

__all__ = ["Happening", "read"]

#: most ends, most undos, and most of what people did, that are told
MOST = 20
#: what people did, as it is told
_ACTS = {
    "job.cancel": "cancelled",
    "job.pause": "paused",
    "job.resume": "resumed",
    "job.retry": "retried",
}


def read(connection: Connection, job: JobRecord) -> list[Happening]:
    """Return what happened to the job, oldest first, what is so now last."""
    told = [Happening("accepted", job.accepted_at, by=related.name(job))]
    if job.started_at is not None:
        told.append(Happening("started", job.started_at))
    ends = _ends(connection, job)
    past, still = _waits(connection, job, [one.at for one in ends if one.at])
    told += [*past, *_acts(connection, job), *ends, *related.read(connection, job, MOST)]
    return [*sorted(told, key=lambda one: one.at or job.accepted_at), *_now(job, still)]


def _waits(
    connection: Connection, job: JobRecord, ends: list[datetime]
) -> tuple[list[Happening], datetime | None]:
    """Return what the job has waited for, and since when it waits now."""
    past = []
    since = None
    for one in waits.of(connection, job.id):
        until = one.until or next((end for end in ends if end > one.at), None)
        if until is None:
            since = one.at
            continue
        tried = f" It was tried {one.times:,} times." if one.times > 1 else ""
        lasted = (until - one.at).total_seconds()
        past.append(Happening("waited", one.at, one.reason + tried, seconds=lasted))
    return past, since


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
    counts = data["counts"]
    would = "would be " if data.get("dry_run") else ""
    changed = next(word for word in counts if word != "total")
    numbers = ", ".join(
        f"{number:,} {would if word == changed else ''}{word}"
        for word, number in counts.items()
        if number and word != "total"
    )
    if not numbers:
        return f"{data['status']}, no items"
    items = "item" if counts["total"] == 1 else "items"
    return f"{data['status']}, {counts['total']:,} {items}: {numbers}"


def _now(job: JobRecord, waiting_since: datetime | None) -> list[Happening]:
    if job.ended:
        return []
    states = {"cancelling": job.cancelling, "paused": job.paused, "waiting": job.waiting}
    return [
        Happening(name, waiting_since, job.waiting) if name == "waiting" else Happening(name, None)
        for name, so in states.items()
        if so
    ]
