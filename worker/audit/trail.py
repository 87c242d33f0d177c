"""The audit trail: what people do is written in the very transaction that does it.

Who asked for a job stands in the job itself, and is written here only when the job is deleted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert

from tagsweep.worker import settings
from tagsweep.worker.audit import creations
from tagsweep.worker.audit.actions import Action
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.models.tables import ago, audit_entry

DAY_S = 86_400


def append(  # noqa: PLR0913  # what is not given does not apply
    connection: Connection,
    action: Action,
    by: Requester,
    *,
    tenant: str | None,
    target: str | None = None,
    details: dict[str, Any] | None = None,
    **of_job: Any,
) -> None:
    """Add that ``by`` did ``action``, such as ``key.revoke``: it is so once the caller commits.

    ``tenant``: whose it is; None: nobody's, so that only admins see it. ``target``: what it was
    done to. ``details``: what else is to be known, as JSON; never a secret.
    """
    row = {
        "action": action,
        "tenant": tenant or None,
        "requested_by": by.shown(),
        "credential": by.credential,
        "target": target,
        "details": details,
        "expires_at": ago(-settings.load().keep_audit_days * DAY_S),
        **of_job,
    }
    connection.execute(insert(audit_entry).values(row))


def append_of_job(connection: Connection, action: Action, by: Requester, job: JobRecord) -> None:
    """Add that ``by`` did ``action``, such as ``job.cancel``, to a job."""
    append(connection, action, by, tenant=job.tenant, job_id=job.id, kind=job.kind)


def keep_creation(connection: Connection, job_id: UUID) -> None:
    """Add who asked for a job that is about to be deleted, unless that is too long ago."""
    created, now = creations.of(connection, job_id), datetime.now(UTC)
    expires_at = min(created["at"], now) + timedelta(days=settings.load().keep_audit_days)
    if expires_at > now:
        connection.execute(insert(audit_entry).values({**created, "expires_at": expires_at}))
