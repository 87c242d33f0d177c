"""Which jobs can be undone, and why the others cannot."""

from __future__ import annotations

from uuid import UUID

from tagsweep.worker.errors import CannotUndo, Forgotten, NoSuchJob
from tagsweep.worker.models.records import JobRecord

FORGOTTEN = (
    "What job {id} did is kept no longer, and cannot be undone: TAGSWEEP_KEEP_REMOVALS_DAYS sets "
    "for how many days it can."
)
REASONS = {
    "queued": "Job {id} has not ended yet: wait for its end, or cancel it, then undo it.",
    "running": "Job {id} has not ended yet: wait for its end, or cancel it, then undo it.",
    "rejected": "Job {id} was rejected and has changed nothing: there is nothing to undo.",
}
PREVIEW = "Job {id} was a dry run and has changed nothing: there is nothing to undo."
#: of a refusal, for programs
CODES = {NoSuchJob: "unknown_job", Forgotten: "forgotten", CannotUndo: "cannot_undo"}


def check(job: JobRecord | None, tenant: str | None, job_id: UUID) -> JobRecord:
    """Return the ``job`` found under ``job_id``, which ``tenant`` may undo now.

    Raises NoSuchJob, also of another tenant's; Forgotten; CannotUndo. Each says what to do.
    """
    if job is None or tenant is None or job.tenant != tenant:
        raise NoSuchJob(f"There is no job {job_id}: GET /api/v1/jobs/ lists those there are.")
    if job.status in REASONS:
        raise CannotUndo(REASONS[job.status].format(id=job_id))
    if job.head.get("dry_run"):
        raise CannotUndo(PREVIEW.format(id=job_id))
    if job.forgotten_at:
        raise Forgotten(FORGOTTEN.format(id=job_id))
    return job
