"""Run what a preview has shown: at most once, and as of when it was accepted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker import settings
from tagsweep.worker.errors import CannotRun, Forgotten, ItemError, NoSuchJob
from tagsweep.worker.jobs import queries, recording
from tagsweep.worker.jobs.derived import approval
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import ago
from tagsweep.worker.models.tables import job as jobs

UNKNOWN = "There is no job {id}: GET /api/v1/jobs/ lists the jobs there are."
NO_PREVIEW = "Job {id} is no preview: only what was previewed with dry_run can be run."
NOT_ENDED = "Preview {id} has not ended yet: wait until it ends, then run it."
NOT_SHOWN = "Preview {id} ended {status} and has not shown everything: preview the job again."
EXPIRED = "Preview {id} is older than {hours} h (TAGSWEEP_PREVIEW_HOURS): preview the job again."
GONE: ItemError = {
    "path": "/job",
    "code": "forgotten",
    "reason": "The record of the preview has expired: preview the job again.",
}
HOUR_S = 3_600


def record(connection: Connection, wanted: RunRequest) -> tuple[JobRecord, bool]:
    """Record the job that does what the preview has shown; return it, and whether it is new.

    Raises NoSuchJob, also if it is another tenant's; CannotRun; Forgotten; NeedsApproval: nothing
    is recorded.
    """
    preview = queries.find(connection, wanted.preview)
    if preview is None or preview.tenant != wanted.tenant:
        raise NoSuchJob(UNKNOWN.format(id=wanted.preview))
    before = queries.find(connection, wanted.job_id)
    if before is not None:
        return before, False
    _check(connection, preview)
    approval.check(connection, preview, wanted.requested_by)
    created = recording.insert(connection, _row(preview, wanted))
    return created or queries.get(connection, wanted.job_id), created is not None


def preview_of(connection: Connection, job: JobRecord) -> JobRecord | None:
    """Return the preview that ``job`` runs, locked; None if its record is not kept any more."""
    try:
        preview = queries.lock(connection, UUID(job.head["previewed"]))
    except NoSuchJob:
        return None
    return None if preview.forgotten_at else preview


def run_of(connection: Connection, preview: JobRecord) -> JobRecord | None:
    """Return the job that runs a preview; None if nobody has asked for it, or of any other job."""
    if not preview.dry_run or preview.tenant is None:
        return None
    wanted = RunRequest(tenant=preview.tenant, job=str(preview.id))
    run = queries.find(connection, wanted.job_id)
    if run is None or run.tenant != preview.tenant:
        return None
    return run if run.head.get("previewed") == str(preview.id) else None


def _check(connection: Connection, preview: JobRecord) -> None:
    if not preview.dry_run:
        raise CannotRun(NO_PREVIEW.format(id=preview.id))
    if not preview.ended:
        raise CannotRun(NOT_ENDED.format(id=preview.id))
    if preview.status not in ("succeeded", "partial"):
        raise CannotRun(NOT_SHOWN.format(id=preview.id, status=preview.status))
    if has_expired(connection, preview.id):
        raise Forgotten(EXPIRED.format(id=preview.id, hours=settings.load().preview_hours))


def has_expired(connection: Connection, preview_id: UUID) -> bool:
    """Tell whether it is too late to run a preview that has ended."""
    young = jobs.c.finished_at > ago(settings.load().preview_hours * HOUR_S)
    query = select(jobs.c.id).where(jobs.c.id == preview_id, young, jobs.c.forgotten_at.is_(None))
    return connection.execute(query).first() is None


def _row(preview: JobRecord, wanted: RunRequest) -> dict[str, Any]:
    head = {name: value for name, value in preview.head.items() if name != "dry_run"}
    head |= {"previewed": str(preview.id)} | ({"note": wanted.note} if wanted.note else {})
    requester = wanted.requested_by
    return {
        "id": wanted.job_id,
        "tenant": preview.tenant,
        "kind": preview.kind,
        "head": head,
        "fingerprint": wanted.fingerprint(),
        "parts": 0,
        "sizes": preview.sizes,
        "mapped": preview.mapped and preview.resources.written(),
        "adds": preview.adds,
        "as_of": preview.as_of or preview.accepted_at,
        "requested_by": requester.shown(),
        "credential": requester.credential,
    }
