"""Which jobs can be undone, and why others cannot."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.errors import CannotUndo, Forgotten, ItemError, NoSuchJob, Rejected
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.records import JobRecord

FORGOTTEN = (
    "The record of job {id} has expired (TAGSWEEP_KEEP_REMOVALS_DAYS): it can no longer be undone."
)
REASONS = {
    "queued": "Job {id} has not ended yet: wait until it ends, or cancel it, then undo it.",
    "running": "Job {id} has not ended yet: wait until it ends, or cancel it, then undo it.",
    "rejected": "Job {id} was rejected and has changed nothing: there is nothing to undo.",
}
PREVIEW = "Job {id} was a dry run and has changed nothing: there is nothing to undo."
#: codes of the refusals, for programs
CODES = {NoSuchJob: "unknown_job", Forgotten: "forgotten", CannotUndo: "cannot_undo"}


def find(connection: Connection, tenant: str | None, job_id: UUID) -> JobRecord:
    """Return the job if ``tenant`` may undo it now.

    Raises NoSuchJob, even if it is another tenant's; Forgotten; CannotUndo. Each says what to do.
    """
    return _checked(queries.find(connection, job_id), tenant, job_id)


def lock(connection: Connection, tenant: str | None, job_id: UUID) -> JobRecord:
    """As ``find``, and lock the job's row, so that no one retries or forgets the job meanwhile."""
    try:
        job = queries.lock(connection, job_id)
    except NoSuchJob:
        return _checked(None, tenant, job_id)
    return _checked(job, tenant, job_id)


def error_of(refusal: Rejected) -> ItemError:
    """Return the error of an undo job that is refused."""
    return {"path": "/job", "code": CODES[type(refusal)], "reason": str(refusal)}


def _checked(job: JobRecord | None, tenant: str | None, job_id: UUID) -> JobRecord:
    if job is None or tenant is None or job.tenant != tenant:
        raise NoSuchJob(f"There is no job {job_id}: GET /api/v1/jobs/ lists the jobs there are.")
    if job.status in REASONS:
        raise CannotUndo(REASONS[job.status].format(id=job_id))
    if job.head.get("dry_run"):
        raise CannotUndo(PREVIEW.format(id=job_id))
    if job.forgotten_at:
        raise Forgotten(FORGOTTEN.format(id=job_id))
    return job
