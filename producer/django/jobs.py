"""Jobs as the admin records, shows and controls them; each is the tenant's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from tagsweep.producer import transactional
from tagsweep.producer.django import configuration
from tagsweep.worker import database
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import control, queries
from tagsweep.worker.jobs.queries import JobFilter
from tagsweep.worker.models import views
from tagsweep.worker.models.requester import Requester

#: jobs that the list shows
SHOWN = 100


def record(body: Mapping[str, Any]) -> UUID:
    """Record a job in a transaction of Django's; raises InvalidJob or Rejected."""
    alias = configuration.alias()
    with transaction.atomic(using=alias):
        return transactional.record(connections[alias], body)


def latest(tenant: str) -> list[dict[str, Any]]:
    """Return the tenant's latest jobs, the newest first."""
    with database.reading() as connection:
        found = queries.page(connection, JobFilter(tenant=tenant), None, SHOWN)
    return [views.of(job, None) for job in found]


def shown(job_id: UUID, tenant: str) -> dict[str, Any]:
    """Return the tenant's job as it is now; raises NoSuchJob."""
    with database.reading() as connection:
        job = queries.of_tenant(connection, job_id, tenant)
        return views.of(job, outbox.latest(connection, job.id) if job.ended else None)


def cancel(job_id: UUID, tenant: str, user: str) -> None:
    """Cancel the tenant's job, as ``user`` asks; raises NoSuchJob, NotRunning."""
    shown(job_id, tenant)
    with database.transaction() as connection:
        control.cancel(connection, job_id, Requester(name=user, door="python"))


def undo(job_id: UUID, tenant: str, user: str) -> UUID:
    """Record the undo of the tenant's job, and return its id; raises CannotUndo, Forgotten."""
    body = {"kind": "undo", "tenant": tenant, "job": str(job_id), "requested_by": {"name": user}}
    return record(body)
