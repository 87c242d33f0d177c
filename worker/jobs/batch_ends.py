"""The first and the last state of a job that is done in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.errors import ItemError
from tagsweep.worker.jobs import report
from tagsweep.worker.jobs.report import Made
from tagsweep.worker.models import requests
from tagsweep.worker.models.events import JobCompleted
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.mapped import MappedResources
from tagsweep.worker.models.records import Chunk, JobRecord, Report
from tagsweep.worker.store import KINDS


@dataclass(frozen=True, slots=True)
class NewJob:
    """A valid job, and the id under which it is to be recorded."""

    job_id: UUID
    job: Job
    fingerprint: bytes  #: what another request under the same id is compared with


@dataclass(frozen=True, slots=True)
class Ended:
    """A job in its final state, with its chunks and its completion event."""

    job: JobRecord
    chunks: Sequence[Chunk]
    event: dict[str, Any]


def accepted(
    new: NewJob,
    matched: list[dict[str, Any]],
    now: datetime,
    unmatched: Sequence[ItemError],
    resources: MappedResources,
) -> JobRecord:
    """Return the job as it is when it is accepted; ``unmatched``: what of it matches nothing."""
    told = requests.columns(new.job)
    told["warnings"] = [*(told["warnings"] or []), *unmatched] or None
    return JobRecord(
        id=new.job_id,
        **told,
        sizes=requests.sizes(new.job),
        status="running",
        fingerprint=new.fingerprint,
        matched=matched,
        nonce=None,
        parts_in=0,
        parts=0,
        open=0,
        total=0,
        changed=0,
        absent=0,
        failed=0,
        errors=[],
        errors_total=0,
        cancelling=False,
        paused=False,
        ends=0,
        accepted_at=now,
        started_at=None,
        finished_at=None,
        remaining=None,
        forgotten_at=None,
        adds=False,
        as_of=None,
        waiting=None,
        tries=0,
        mapped=resources.written() or None,
    )


def ended(  # noqa: PLR0913  # what became of the job
    connection: Connection,
    job: JobRecord,
    chunks: Sequence[Chunk],
    changed: int,
    told: Report,
    *,
    finished_at: datetime,
    resources: MappedResources,
) -> Ended:
    """Return the job at its end, which has ``changed`` so many of its items, and its event."""
    total = sum(chunk.items for chunk in chunks)
    job = replace(
        job,
        status="succeeded",
        total=total,
        changed=changed,
        absent=total - changed,
        ends=1,
        started_at=job.accepted_at,
        finished_at=finished_at,
        mapped=resources.written() or None,
    )
    warnings = KINDS[job.kind].warnings(connection, job, told) or None
    job = replace(job, warnings=warnings)
    completion = report.completion(job, Made(told, None, [], warnings))
    return Ended(job, chunks, JobCompleted(end=1, completion=completion).envelope())
