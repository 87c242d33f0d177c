"""Jobs as the admin records, shows and controls them; each is the tenant's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
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

#: jobs on a page of the list
SHOWN = 100


class Page(NamedTuple):
    """Some of a tenant's jobs, the newest first, and whether there are others."""

    jobs: list[dict[str, Any]]
    has_newer: bool
    has_older: bool


def record(body: Mapping[str, Any]) -> UUID:
    """Record a job in a transaction of Django's; raises InvalidJob or Rejected."""
    alias = configuration.alias()
    with transaction.atomic(using=alias):
        return transactional.record(connections[alias], body)


def page(tenant: str, beside: UUID | None, *, newer: bool = False) -> Page:
    """Return the tenant's latest jobs, or those next to one of its jobs; raises NoSuchJob.

    ``newer``: those accepted after it, and not those before.
    """
    with database.reading() as connection:
        job = queries.of_tenant(connection, beside, tenant) if beside else None
        after = (job.accepted_at, job.id) if job else None
        of_tenant = JobFilter(tenant=tenant)
        found = queries.page(connection, of_tenant, after, SHOWN + 1, back=newer)
    more, rest = len(found) > SHOWN, beside is not None
    jobs = [views.of(each, None) for each in found[:SHOWN]]
    return Page(jobs[::-1], more, rest) if newer else Page(jobs, rest, more)


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
