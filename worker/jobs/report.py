"""The report of a job that ends, its tags and what remains, and the completion event made of it.

Making it updates the tags' times. If the store refuses that, the report is lost, not the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import ItemError, StoreRefused
from tagsweep.worker.events import outbox
from tagsweep.worker.mapping import job_resources
from tagsweep.worker.models import views
from tagsweep.worker.models.events import MOST_ERRORS, Completion, JobCompleted
from tagsweep.worker.models.records import JobRecord, Report
from tagsweep.worker.store import KINDS

REFUSED = "Its tags are reported as they were before: the store refuses their current state ({})."

#: of a job that ends without an item, although nothing else is to be warned of
NOTHING: ItemError = {
    "path": "",
    "code": "nothing_matched",
    "reason": "Nothing is selected: the job has no items.",
}


@dataclass(frozen=True, slots=True)
class Made:
    """A report, as far as the store let it be made."""

    report: Report
    remaining: int | None
    errors: list[ItemError]  #: the store's refusal, in its own words
    warnings: list[ItemError] | None  #: all that the job has by now


def of(connection: Connection, job: JobRecord, *, apart: bool) -> Made:
    """Return the report of a job that is about to end.

    ``apart``: make it behind a savepoint, because the store has refused something of this job
    before; what it refuses is left out. Otherwise raises StoreRefused.
    """
    if not apart:
        return _make(connection, job)
    try:
        with database.savepoint(connection):
            return _make(connection, job)
    except StoreRefused as refused:
        known = Report(views.tags_of(job))
        reason = REFUSED.format(refused.said.rstrip("."))
        refusal: ItemError = {"path": "", "code": "report_refused", "reason": reason}
        return Made(known, None, [refusal], job.warnings)


def grown(connection: Connection, job: JobRecord) -> dict[str, Any]:
    """Return the columns that note how far the mapped resources have grown of a job that adds.

    What grows later is not its undo's to remove.
    """
    if not job.mapped or not (job.adds or job.kind == "attach"):
        return {}
    return {"mapped": job_resources.marked(connection, job, "ended").written()}


def write(connection: Connection, job: JobRecord, made: Made) -> None:
    """Write the completion event of a job that has just ended."""
    outbox.append(connection, JobCompleted(end=job.ends, completion=completion(job, made)))


def completion(job: JobRecord, made: Made) -> Completion:
    """Return the data of the completion event of a job that has ended."""
    return Completion(
        job_id=job.id,
        kind=job.kind,
        tenant=job.tenant,
        status=job.status,
        tags=made.report.tags,
        counts=views.counts(job),
        accepted_at=job.accepted_at,
        started_at=job.started_at,
        finished_at=job.finished_at or job.accepted_at,
        errors=[dict(error) for error in job.errors],
        errors_total=job.errors_total if job.errors_total > MOST_ERRORS else None,
        tags_truncated=made.report.truncated,
        undoes=job.head.get("job"),
        previewed=job.head.get("previewed"),
        dry_run=job.dry_run or None,
        remaining=job.remaining,
        request=views.request_of(job),
        **views.told_of(job),
    )


def _make(connection: Connection, job: JobRecord) -> Made:
    if job.matched is None:
        return Made(Report([]), None, [], job.warnings)
    kind = KINDS[job.kind]
    report = kind.report(connection, job)
    warnings = kind.warnings(connection, job, report) or None
    return Made(report, kind.remaining(connection, job), [], warnings)
