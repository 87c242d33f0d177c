"""What is told of a job at its end beside its counts: its tags, and what is left.

That moves the times of the tags, which the store may refuse: then it costs the report, not the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import ItemError, StoreRefused
from tagsweep.worker.models import views
from tagsweep.worker.models.events import MOST_ERRORS, Completion
from tagsweep.worker.models.records import JobRecord, Report
from tagsweep.worker.store import KINDS

REFUSED = "Its tags are told as they were: the store refuses to write or read their state now ({})."


@dataclass(frozen=True, slots=True)
class Told:
    """What is told."""

    report: Report
    remaining: int | None
    errors: list[ItemError]  #: that the store refused it, with its own words


def of(connection: Connection, job: JobRecord, *, apart: bool) -> Told:
    """Return what is told of a job that ends here.

    ``apart``: the store refused the end before, so what it refuses of this part is done without,
    behind a savepoint. Raises StoreRefused otherwise.
    """
    if not apart:
        return _told(connection, job)
    try:
        with database.savepoint(connection):
            return _told(connection, job)
    except StoreRefused as refused:
        known = Report(views.tags_of(job))
        reason = REFUSED.format(refused.said.rstrip("."))
        return Told(known, None, [{"path": "", "code": "report_refused", "reason": reason}])


def completion(job: JobRecord, told: Told) -> Completion:
    """Return what is told of a job that has ended."""
    return Completion(
        job_id=job.id,
        kind=job.kind,
        tenant=job.tenant,
        status=job.status,
        tags=told.report.tags,
        counts=views.counts(job),
        accepted_at=job.accepted_at,
        started_at=job.started_at,
        finished_at=job.finished_at or job.accepted_at,
        errors=[dict(error) for error in job.errors],
        errors_total=job.errors_total if job.errors_total > MOST_ERRORS else None,
        tags_truncated=told.report.truncated,
        undoes=job.head.get("job"),
        dry_run=job.dry_run or None,
        remaining=job.remaining,
    )


def _told(connection: Connection, job: JobRecord) -> Told:
    if job.matched is None:
        return Told(Report([]), None, [])
    kind = KINDS[job.kind]
    return Told(kind.report(connection, job), kind.remaining(connection, job), [])
