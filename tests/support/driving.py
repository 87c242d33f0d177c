"""Take a job through the product's own steps in this very process, without a broker."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update

from tagsweep.worker import database, settings
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import control, parts, queries, recording
from tagsweep.worker.models.jobs import (
    AttachJob,
    DeleteJob,
    DetachJob,
    Job,
)
from tagsweep.worker.models.records import Lists
from tagsweep.worker.models.tables import ago
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.tasks import recorded, recover, start, sweep
from tests.support import configurations


def chunk_size(most: int) -> None:
    """Let this process cut jobs into chunks of ``most`` resources."""
    os.environ["TAGSWEEP_CHUNK_SIZE"] = str(most)
    settings.load.cache_clear()


def body(given: dict[str, Any]) -> dict[str, Any]:
    """Return a job's JSON with its lists as the tables in use have them."""
    return configurations.active().tables.body(given)


def detach_job(tenant: str, names: Iterable[str], **given: Any) -> DetachJob:
    """Return the job as its JSON would have it; ``given``: its lists, and its options."""
    return DetachJob.parse(body({"tenant": tenant, "names": list(names), **_as_json(given)}))


def attach_job(tenant: str, names: Iterable[str], **given: Any) -> AttachJob:
    """Return the job as its JSON would have it; ``given``: its lists, and its options."""
    return AttachJob.parse(body({"tenant": tenant, "names": list(names), **_as_json(given)}))


def delete_job(tenant: str, workspaces: Iterable[str], *keys: str, **options: Any) -> DeleteJob:
    """Return the job as its JSON would have it."""
    tags = [{"key": key} for key in keys]
    body = {"tenant": tenant, "tags": tags, **_as_json({"workspaces": workspaces})}
    return DeleteJob.parse({**body, **options})


def _as_json(given: dict[str, Any]) -> dict[str, Any]:
    plain = (str, int, type(None))
    return {name: one if isinstance(one, plain) else list(one) for name, one in given.items()}


def lists(*names: str, **ids: Iterable[str]) -> Lists:
    """Return some lists as a part of a job carries them."""
    given = {name: list(some) for name, some in ids.items()}
    return configurations.active().tables.lists(given, names)


def record(job: Job, job_id: UUID | None = None, *, at_once: bool = False) -> UUID:
    """Record a job whole, as a service in its own transaction does.

    ``at_once``: and split it, and apply it if it has but one chunk; else nobody has split it yet.
    """
    job_id = job_id or uuid4()
    with database.transaction() as connection:
        recording.record_with_lists(connection, job_id, job, [parts.lists_of(job)])
    if at_once:
        split(job_id, at_once=True)
    return job_id


def record_parts(job: Job, lists: Iterable[Lists]) -> UUID:
    """Record a job whose lists are stored in several parts."""
    job_id, some = uuid4(), list(lists)
    job = configurations.active().tables.of_parts(job, some)
    with database.transaction() as connection:
        recording.record_with_lists(connection, job_id, job, some)
    return job_id


def split(job_id: UUID, *, at_once: bool = False) -> None:
    """Split a job that is recorded; ``at_once``: apply it where it has but one chunk."""
    with database.transaction() as connection:
        start.start(connection, queries.lock(connection, job_id), at_once=at_once)


def opened(job: Job) -> UUID:
    """Record and split a job; each chunk is still open."""
    job_id = record(job)
    split(job_id)
    return job_id


def run(job: Job) -> dict[str, Any]:
    """Do a job whose lists are in hand; return its completion data."""
    job_id = uuid4()
    with database.transaction() as connection:
        recording.record(connection, job_id, job)
        recorded = queries.lock(connection, job_id)
        start.start(connection, recorded, parts.lists_of(job))
    return finish(job_id)


def recovered() -> None:
    """Let recovery find what was left undone, and sweeps split what is recorded."""
    recover.run()
    while recorded.split_next():
        pass


def run_recorded(job_id: UUID) -> dict[str, Any]:
    """Do a job that is recorded; return its completion data."""
    split(job_id, at_once=True)
    return finish(job_id)


def step() -> None:
    """Apply the chunk whose turn it is."""
    assert sweep.apply_next(), "no chunk is open"


def due_in(seconds: float) -> None:
    """Move the next try of all that is put off: so that no test rests on how fast it runs."""
    with database.transaction() as connection:
        for table in (jobs, chunks):
            put_off = table.c.retry_at.is_not(None)
            connection.execute(update(table).where(put_off).values(retry_at=ago(-seconds)))


def cancel(job_id: UUID) -> dict[str, Any]:
    """Cancel a job of which no worker has a chunk in hand; return its completion data."""
    with database.transaction() as connection:
        control.cancel(connection, job_id)
    return finish(job_id)


def retry(job_id: UUID | str) -> dict[str, Any]:
    """Let a job do what had failed or was left; return its completion data."""
    own = UUID(str(job_id))
    with database.transaction() as connection:
        control.retry(connection, own)
    return finish(own)


def finish(job_id: UUID) -> dict[str, Any]:
    """Apply whatever is open; return the job's completion data."""
    while sweep.apply_next():
        pass
    found = event(job_id)
    assert found is not None, "the job has not ended"
    data: dict[str, Any] = found["data"]
    return data


def event(job_id: UUID) -> dict[str, Any] | None:
    """Return the event of the job's latest end; None where it has none."""
    with database.reading() as connection:
        return outbox.latest(connection, job_id)
