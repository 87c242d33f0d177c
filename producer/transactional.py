"""Record a job in the caller's own transaction, for services that share the database.

If the transaction is rolled back, there never was a job; if it is committed, any worker finds the
job in the store within a second or two, and its completion event is published like any other.

    with engine.begin() as connection:
        connection.execute(delete(folder).where(folder.c.id == gone))
        job = {"kind": "detach", "tenant": "acme", "names": ["pii"], "folders": [gone]}
        record(connection, job)

The connection is SQLAlchemy's, psycopg's, or Django's (``django.db.connection``, inside
``transaction.atomic()``). With a ``Session``, pass ``session.connection()``; with an asynchronous
one, call ``await session.run_sync(lambda own: record(own.connection(), job))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import Rejected
from tagsweep.worker.jobs import parts, queries, recording
from tagsweep.worker.mapping import checking
from tagsweep.worker.models.jobs import Job, parse_job


def record(connection: Any, job: Job | Mapping[str, Any], job_id: UUID | None = None) -> UUID:
    """Record ``job`` and return its id; it becomes a job when the caller commits, not before.

    ``connection``: SQLAlchemy's, psycopg's or Django's. ``job``: any ``Job`` of
    ``tagsweep.worker.models.jobs``, or a job as JSON with its ``kind``. ``job_id``: the same id
    again is the same job, never a second one. Raises InvalidJob or Rejected, both a ValueError, and
    changes nothing then. Links that the caller's own transaction attaches before this call are
    removed too if the job names them. ``requested_by`` in the job may name
    who asks: ``{"name": "nightly"}``. The name in a ``callback_url`` is not resolved here, where
    the caller's transaction would wait for it: where it leads is checked when the event is sent.
    """
    given = job if isinstance(job, Job) else parse_job(job)
    checking.check(given)
    valid = given.through("python", given.requested_by.name)
    job_id = job_id or uuid4()
    fingerprint = valid.fingerprint()
    with _sqlalchemy(connection) as own, database.borrowed(own):
        created = recording.record_with_lists(
            own, job_id, valid, parts.parts_of(valid), fingerprint=fingerprint
        )
        recorded = None if created else queries.get(own, job_id)
    if recorded and recording.is_another(recorded, valid.kind, valid.tenant, fingerprint):
        raise Rejected(f"The id {job_id} already belongs to another job.")
    return job_id


def _sqlalchemy(connection: Any) -> AbstractContextManager[Connection]:
    if isinstance(connection, Connection):
        return nullcontext(connection)
    from tagsweep.worker.database import borrowing

    return borrowing.as_sqlalchemy(connection)
