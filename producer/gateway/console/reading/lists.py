"""Lists of jobs as pages show them: each function is one transaction, run in a thread."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.jobs.inspection import listing
from tagsweep.worker.jobs.inspection.listing import SCANNED, Listed, Place, Wanted
from tagsweep.worker.models import views
from tagsweep.worker.models.records import RETRYABLE, JobRecord

__all__ = ["OPEN", "RETRYABLE", "SCANNED", "Found", "found", "listed"]

Shown = dict[str, Any]
#: a job's id, and its tenant
Found = tuple[UUID, str]

#: the statuses of jobs that have not ended
OPEN = frozenset({"queued", "running"})

#: what is present in a job's JSON only if it applies
_OPTIONAL = {
    "dry_run": False,
    "note": None,
    "paused": False,
    "previewed": None,
    "remaining": None,
    "requested_by": None,
    "undoes": None,
    "waiting": None,
    "warnings": (),
}


def shown(job: JobRecord, event: Shown | None = None) -> Shown:
    """Return a job as templates read it: its JSON with every member."""
    return {**_OPTIONAL, **views.of(job, event)}


def listed(wanted: Wanted, after: Place | None, limit: int) -> tuple[Listed, list[Shown]]:
    """Return a page of a list of jobs, and its jobs as JSON."""
    with database.snapshot() as connection:
        page = listing.page(connection, wanted, after, limit)
    return page, [shown(job) for job in page.jobs]


def found(wanted: Wanted, most: int) -> list[Found]:
    """Return up to ``most`` of the jobs that fit; those without a tenant are nobody's."""
    with database.reading() as connection:
        return listing.owned(connection, wanted, most)
