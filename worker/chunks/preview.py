"""A preview: the very statements of the job, undone chunk by chunk; what they did is kept.

So nothing can differ between what a preview tells and what its job does, and whatever the store
would refuse is refused here too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.store import KINDS, changes

Step = Callable[[Connection, JobRecord, Chunk], Outcome]


def apply(
    connection: Connection, job: JobRecord, chunk: Chunk, step: Step | None = None
) -> Outcome:
    """Apply ``chunk`` by ``step``, else as its kind does; in a preview, only find out what happens.

    In either case it is recorded what was, or would have been, changed. Raises StoreRefused.
    """
    step = step or KINDS[job.kind].apply
    if not job.dry_run:
        return step(connection, job, chunk)
    with database.undone(connection):
        prepared = replace(job, matched=KINDS[job.kind].prepare(connection, job))
        outcome = step(connection, prepared, chunk)
        changed = changes.of(connection, job, chunk)
    changes.put(connection, changed, _known(job, prepared))
    return outcome


def _known(job: JobRecord, prepared: JobRecord) -> dict[UUID, UUID]:
    """Return the id under which the job knows each tag: one that is made may come out another."""
    pairs = zip(prepared.targets, job.targets, strict=True)
    return {UUID(made["id"]): UUID(known["id"]) for made, known in pairs if "id" in known}
