"""What the gateway does in the store: each function is one transaction, run in a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.producer.gateway.submission.job_request import JobRequest
from tagsweep.producer.gateway.threadpool import Gate
from tagsweep.worker import database
from tagsweep.worker.errors import NoSuchJob, StoreBusy
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import control, parts, queries, recording
from tagsweep.worker.jobs.derived import approval, runs
from tagsweep.worker.models import views
from tagsweep.worker.models.jobs import Job, TagDeletion
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.store import bulk_load
from tagsweep.worker.store.tags import naming

#: what changes a job within a transaction: control.cancel, retry, pause, resume
Action = Callable[[Connection, UUID, Requester], JobRecord]


class Taken(Exception):
    """The id belongs to another job."""


class UnknownWorkspace(Exception):
    """The tenant has no such workspace."""


@dataclass(frozen=True, slots=True)
class View:
    """A job as it is now, with the event of its latest end if it has ended."""

    job: JobRecord
    event: dict[str, Any] | None
    replayed: bool = False  #: it was recorded by an earlier request of the same key or signature

    def shown(self) -> dict[str, Any]:
        """Return the job as JSON."""
        return views.of(self.job, self.event)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A job that is in the store."""

    created: bool  #: by this request, not an earlier one
    view: View


def record(gate: Gate, wanted: JobRequest) -> Recorded:
    """Record the job, unless it was recorded before.

    Raises Taken, UnknownWorkspace, NoSuchTag, Abandoned, and for an undo what ``recording`` raises;
    then nothing is recorded.
    """
    with database.transaction() as connection:
        before = _same(connection, wanted)
        if before is None:
            created = _insert(connection, wanted, _existing(connection, wanted))
            view = _same(connection, wanted)
            recorded = Recorded(created, view) if view else None
        else:
            recorded = Recorded(created=False, view=before)
        gate.commit()
    if recorded is None:  # another request recorded and withdrew it just now
        raise StoreBusy
    return recorded


def settle(wanted: JobRequest) -> Recorded | None:
    """Return the job if it is in the store after all."""
    with database.reading() as connection:
        view = _same(connection, wanted)
    return Recorded(created=True, view=view) if view else None


def _existing(connection: Connection, wanted: JobRequest) -> Job:
    """Return the job, whose workspace there has to be; or its tag, by its present name."""
    job, workspace = wanted.job, wanted.workspace
    if workspace is not None and not bulk_load.has_workspace(connection, job.tenant, workspace):
        raise UnknownWorkspace
    if not isinstance(job, TagDeletion):
        return job
    found = naming.find(connection, job.tenant, job.tag)
    return job.model_copy(update={"names": [found["name"]]})


def _insert(connection: Connection, wanted: JobRequest, job: Job) -> bool:
    return recording.record_with_lists(
        connection,
        wanted.job_id,
        job,
        parts.parts_of(job),
        fingerprint=wanted.fingerprint,
        nonce=wanted.nonce,
    )


def _same(connection: Connection, wanted: JobRequest) -> View | None:
    """Return what is recorded under the id; it is promised from now on if this request is."""
    # read once: between two reads another request of the same key may record it
    job = queries.find(connection, wanted.job_id)
    if job is None:
        return None
    if recording.is_another(job, wanted.job.kind, wanted.job.tenant, wanted.fingerprint):
        raise Taken
    if wanted.nonce is None and job.status == "queued" and job.nonce is not None:
        control.promise(connection, wanted.job_id)
    return _shown(connection, job)


def withdraw(job_id: UUID, nonce: str) -> bool:
    """Withdraw a job that no worker has started; False if it has been started or promised."""
    with database.transaction() as connection:
        return control.withdraw(connection, job_id, nonce)


def owner(job_id: UUID) -> str | None:
    """Return the tenant whose job this is; None if there is no such job, or it has no tenant."""
    with database.reading() as connection:
        job = queries.find(connection, job_id)
    return job.tenant if job else None


def view(job_id: UUID, tenant: str) -> View | None:
    """Return the tenant's job as it is now; None if the tenant has no job with this id."""
    with database.reading() as connection:
        return _view(connection, job_id, tenant)


def touches_system_tags(job_id: UUID, tenant: str) -> bool:
    """Return whether the tenant's job changes system tags."""
    shown = view(job_id, tenant)
    return shown is not None and any(target.get("system") for target in shown.job.targets)


def promise(job_id: UUID, tenant: str) -> View | None:
    """Make sure that nobody withdraws the job, and return it; None if somebody already has."""
    with database.transaction() as connection:
        view = _view(connection, job_id, tenant)
        if view is not None and view.job.status == "queued" and view.job.nonce is not None:
            control.promise(connection, job_id)
        return view


def act(job_id: UUID, tenant: str, action: Action, by: Requester) -> tuple[View, View]:
    """Apply ``action`` to the tenant's job; return the job as it was before and as it is after.

    ``by``: whoever asks for it.

    Raises NoSuchJob, and what ``action`` raises.
    """
    with database.transaction() as connection:
        before = _view(connection, job_id, tenant)
        if before is None:
            raise NoSuchJob
        action(connection, job_id, by)
        after = _view(connection, job_id, tenant)
    assert after is not None  # it was there a moment ago, in this very transaction  # noqa: S101
    return before, after


def run(wanted: RunRequest, by: Requester) -> View:
    """Record the job that does what a preview has shown; raises what ``runs.record`` raises."""
    wanted = wanted.through(by.door, by.name, by.credential)
    with database.transaction() as connection:
        job, created = runs.record(connection, wanted)
        view = _shown(connection, job)
    return replace(view, replayed=not created)


def asked_with(job_id: UUID, tenant: str) -> UUID | None:
    """Return the credential with which the tenant's job was asked for; raises NoSuchJob."""
    with database.reading() as connection:
        if _view(connection, job_id, tenant) is None:
            raise NoSuchJob
        return approval.credential_of(connection, job_id)


def _view(connection: Connection, job_id: UUID, tenant: str) -> View | None:
    job = queries.find(connection, job_id)
    return None if job is None or job.tenant != tenant else _shown(connection, job)


def _shown(connection: Connection, job: JobRecord) -> View:
    return View(job, outbox.latest(connection, job.id) if job.ended else None)
