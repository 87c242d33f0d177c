"""The four-eyes rule: large changes are previewed by one credential and run by another.

It holds for whoever comes through the gateway, and for workers that have these settings. Whoever
can write to the store or the broker is outside it.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker import settings
from tagsweep.worker.errors import ItemError, NeedsApproval
from tagsweep.worker.jobs import lifecycle, queries, recording
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.models.tables import job as jobs

AT_THE_GATEWAY = (
    "What was previewed is run through the gateway alone, with a credential other than that of its "
    "preview (TAGSWEEP_APPROVAL=other)."
)
ANOTHER = "A credential other than that which asked for the preview has to run it."
PREVIEW_FIRST = (
    "{items} items are more than may be changed without a preview ({most}): preview the job with "
    "dry_run, then run the preview."
)


def is_by_another(preview: JobRecord) -> bool:
    """Tell whether a credential other than the preview's has to run it; an undo needs nobody."""
    return settings.load().approval == "other" and preview.kind != "undo"


def check(connection: Connection, preview: JobRecord, requester: Requester) -> None:
    """Raise NeedsApproval if whoever asks for it may not run the preview."""
    if not is_by_another(preview):
        return
    if requester.credential is None:
        raise NeedsApproval(AT_THE_GATEWAY)
    if requester.credential == credential_of(connection, preview.id):
        raise NeedsApproval(ANOTHER)


def is_asked_of(job: JobRecord) -> bool:
    """Tell whether anything may be lacking of the job's approval."""
    config = settings.load()
    if job.dry_run or job.kind == "undo":
        return False
    return (config.approval if "previewed" in job.head else config.approval_items) is not None


def lacking(connection: Connection, job: JobRecord) -> list[ItemError]:
    """Return what the job lacks of its approval, once its items are counted."""
    if not is_asked_of(job):
        return []
    most = settings.load().approval_items
    if "previewed" in job.head:
        return [] if credential_of(connection, job.id) else NeedsApproval(AT_THE_GATEWAY).errors
    if most is None or job.total <= most:
        return []
    return NeedsApproval(PREVIEW_FIRST.format(items=f"{job.total:,}", most=f"{most:,}")).errors


def reject(
    connection: Connection, job_id: UUID, preview: UUID, body: object, refusal: NeedsApproval
) -> tuple[JobRecord, bool]:
    """Record that a message's run was refused, as a job; return it, and whether it is new."""
    kind = queries.get(connection, preview).kind
    created = recording.record_unusable(connection, job_id, kind, body)
    if created is None:
        return queries.get(connection, job_id), False
    return lifecycle.end(connection, created, "rejected", refusal.errors), True


def credential_of(connection: Connection, job_id: UUID) -> UUID | None:
    """Return the credential with which a job was asked for; None: through another door."""
    query = select(jobs.c.credential).where(jobs.c.id == job_id)
    found: UUID | None = connection.execute(query).scalar_one()
    return found
