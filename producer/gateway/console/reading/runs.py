"""Whether a preview can be run, and by whom, as its page tells it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import settings
from tagsweep.worker.jobs.derived import approval, runs
from tagsweep.worker.models.records import JobRecord


@dataclass(frozen=True, slots=True)
class Run:
    """The one run of a preview; of any other job, none."""

    job: UUID | None  #: the job that is it, once somebody has asked for it
    expired: bool  #: it is too late to ask for it
    by_another: bool  #: a credential other than the preview's has to ask for it
    hours: int  #: how long it can be asked for after the preview's end


def of(connection: Connection, job: JobRecord) -> Run:
    """Return what is to be told of the run of a job."""
    hours, by_another = settings.load().preview_hours, approval.is_by_another(job)
    if not job.dry_run or job.tenant is None:
        return Run(None, expired=False, by_another=False, hours=hours)
    found = runs.run_of(connection, job)
    expired = job.ended and runs.has_expired(connection, job.id)
    return Run(found.id if found else None, expired, by_another, hours)
