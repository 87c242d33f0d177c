"""What the gateway does in the store: each function is one transaction, run in a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.producer import transactional
from tagsweep.producer.gateway.threadpool import Gate
from tagsweep.worker import database
from tagsweep.worker.broker import sending
from tagsweep.worker.errors import NoSuchJob, StoreBusy
from tagsweep.worker.events import outbox, relay
from tagsweep.worker.jobs import control, parts, queries, recording
from tagsweep.worker.models import views
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.store import bulk_load


class Taken(Exception):
    """The id is another job's."""


class UnknownWorkspace(Exception):
    """The tenant has no such workspace."""


@dataclass(frozen=True, slots=True)
class View:
    """A job as it is now, with the event of its latest end if it has come to one."""

    job: JobRecord
    event: dict[str, Any] | None

    def shown(self) -> dict[str, Any]:
        """Return the job as JSON."""
        return views.of(self.job, self.event)


@dataclass(frozen=True, slots=True)
class Order:
    """A job on its way into the store."""

    job: Job
    job_id: UUID
    fingerprint: bytes  #: what another request under the same id is compared with
    nonce: str | None  #: by which it can be taken back; None: it is promised to be done
    workspace: str | None = None  #: must be there, else nothing is recorded


@dataclass(frozen=True, slots=True)
class Recorded:
    """A job that is in the store."""

    created: bool  #: by this request, not by an earlier one
    view: View


def record(gate: Gate, order: Order) -> Recorded:
    """Record the job, unless it was recorded before.

    Raises Taken, UnknownWorkspace, Abandoned, and of an undo what ``intake`` does: nothing is
    recorded then.
    """
    job = order.job
    with database.transaction() as connection:
        before = _same(connection, order)
        if before is None:
            name = order.workspace
            if name is not None and not bulk_load.has_workspace(connection, job.tenant, name):
                raise UnknownWorkspace
            created = _insert(connection, order)
            view = _same(connection, order)
            recorded = Recorded(created, view) if view else None
        else:
            recorded = Recorded(created=False, view=before)
        gate.commit()
    if recorded is None:  # recorded by somebody else, and taken back, just now
        raise StoreBusy
    return recorded


def settle(order: Order) -> Recorded | None:
    """Return the order's job where it is in the store after all."""
    with database.reading() as connection:
        view = _same(connection, order)
    return Recorded(created=True, view=view) if view else None


def _insert(connection: Connection, order: Order) -> bool:
    return recording.record_with_lists(
        connection,
        order.job_id,
        order.job,
        parts.parts_of(order.job),
        fingerprint=order.fingerprint,
        nonce=order.nonce,
    )


def _same(connection: Connection, order: Order) -> View | None:
    """Return what is recorded under the order's id, from now on promised if the order is."""
    # read once: between two reads another request of the same key may record it
    job = queries.find(connection, order.job_id)
    if job is None:
        return None
    if recording.is_another(job, order.job.kind, order.job.tenant, order.fingerprint):
        raise Taken
    if order.nonce is None and job.status == "queued" and job.nonce is not None:
        control.promise(connection, order.job_id)
    return _shown(connection, job)


def withdraw(job_id: UUID, nonce: str) -> bool:
    """Take back a job that nobody has begun; False where it goes on."""
    with database.transaction() as connection:
        return control.withdraw(connection, job_id, nonce)


def view(job_id: UUID, tenant: str) -> View | None:
    """Return the tenant's job as it is now; None where the tenant has none with this id."""
    with database.reading() as connection:
        return _view(connection, job_id, tenant)


def touches_system_tags(job_id: UUID, tenant: str) -> bool:
    """Tell whether the tenant's job acts on tags of the system."""
    found = view(job_id, tenant)
    return found is not None and any(one.get("system") for one in found.job.targets)


def promise(job_id: UUID, tenant: str) -> View | None:
    """Make sure that nobody takes the job back, and return it; None where somebody has."""
    with database.transaction() as connection:
        found = _view(connection, job_id, tenant)
        if found is not None and found.job.status == "queued" and found.job.nonce is not None:
            control.promise(connection, job_id)
        return found


def steer(
    job_id: UUID, tenant: str, step: Callable[[Connection, UUID], JobRecord]
) -> tuple[View, View]:
    """Do ``step`` with the tenant's job; return it as it was before and as it is after.

    Raises NoSuchJob, and what the step raises.
    """
    with database.transaction() as connection:
        before = _view(connection, job_id, tenant)
        if before is None:
            raise NoSuchJob
        step(connection, job_id)
        after = _view(connection, job_id, tenant)
    assert after is not None  # it was there a moment ago, in this very transaction  # noqa: S101
    return before, after


def go_on(job_id: UUID) -> None:
    """Let a worker begin with a job that runs again; else recovery does it."""
    with database.reading() as connection:
        job = queries.find(connection, job_id)
    if job is not None and job.status == "queued":
        transactional.nudge(job_id)
    elif job is not None and job.open:
        sending.wake(job.open)


def publish(job_id: UUID) -> None:
    """Publish the end to which a step of ours has brought a job; else recovery does it."""
    relay.deliver(job_id)


def _view(connection: Connection, job_id: UUID, tenant: str) -> View | None:
    job = queries.find(connection, job_id)
    return None if job is None or job.tenant != tenant else _shown(connection, job)


def _shown(connection: Connection, job: JobRecord) -> View:
    return View(job, outbox.latest(connection, job.id) if job.ended else None)
