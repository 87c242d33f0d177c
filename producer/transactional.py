"""Record a job in the caller's own SQLAlchemy transaction, for services that share the database.

Rolled back, there was never a job; committed, it runs: any worker finds it in the store within a
second or two, with or without a message, and its completion event is published as any other.

    with engine.begin() as connection:
        connection.execute(delete(folder).where(folder.c.id == gone))
        job = {"kind": "detach", "tenant": "acme", "names": ["pii"], "folders": [gone]}
        record(connection, job)

A ``Session`` gives its connection by ``session.connection()``, an asynchronous one by
``await session.run_sync(lambda own: record(own.connection(), job))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.errors import BrokerUnavailable, InvalidJob, Rejected
from tagsweep.worker.jobs import parts, queries, recording
from tagsweep.worker.models.jobs import KINDS, Job


def record(
    connection: Connection, job: Job | Mapping[str, Any], job_id: UUID | None = None
) -> UUID:
    """Record ``job`` and return its id; it becomes a job when the caller commits, not before.

    ``job``: a ``DetachJob`` or ``DeleteJob``, or such a job as JSON with its ``kind``. ``job_id``:
    the same id again is the same job, never a second one. Raises InvalidJob or Rejected, both a
    ValueError, and changes nothing then. Links that the caller's own transaction attaches before
    this call are removed too where the job names them.
    """
    valid = job if isinstance(job, Job) else parse(job)
    job_id = job_id or uuid4()
    fingerprint = valid.fingerprint()
    with database.lent(connection):
        created = recording.record_with_lists(
            connection, job_id, valid, parts.parts_of(valid), fingerprint=fingerprint
        )
        recorded = None if created else queries.get(connection, job_id)
    if recorded and recording.is_another(recorded, valid.kind, valid.tenant, fingerprint):
        raise Rejected(f"The id {job_id} is another job's already.")
    return job_id


def nudge(job_id: UUID) -> bool:
    """After the commit: let a worker begin at once; False where the broker does not answer.

    Without it, or where it fails, the job begins a second or two later.
    """
    try:
        announce(job_id)
    except BrokerUnavailable:
        return False
    return True


def announce(job_id: UUID) -> None:
    """As ``nudge``, but raise BrokerUnavailable where the broker does not take it."""
    try:
        sending.send(app(), "tags.start", str(job_id), ignore_result=True)
    except BrokerUnavailable:  # perhaps of a connection that died with the broker's last run
        sending.send(app(), "tags.start", str(job_id), ignore_result=True)


def parse(body: Mapping[str, Any]) -> Job:
    """Return the job that ``body``, JSON with its ``kind``, describes; raises InvalidJob."""
    own = dict(body)
    kind = own.pop("kind", None)
    if kind is None:
        raise InvalidJob([fault("/kind", "required", "This field is required.")])
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidJob([fault("/kind", "invalid_choice", f"Must be one of {', '.join(KINDS)}.")])
    return model.parse(own)


def fault(path: str, code: str, reason: str) -> Any:
    """Return an item of a job's errors."""
    return {"path": path, "code": code, "reason": reason}
