"""Undo what a job did: by the statements of the kind that does the opposite, chunk by chunk.

What it put on is taken off where it still is as that job left it: what came to be after the job's
end is somebody else's. What it took off is put back where nobody has put anything since.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tagsweep.worker.models.records import (
    Chunk,
    JobRecord,
    Outcome,
    Report,
)
from tagsweep.worker.store import attach, delete, detach, workspaces


def match(connection: Connection, tenant: str, head: dict[str, Any]) -> list[dict[str, Any]]:
    """Return nothing: ``chunks.splitting_undo`` finds what an undo acts on, with its chunks."""
    raise NotImplementedError


def prepare(connection: Connection, job: JobRecord) -> list[dict[str, Any]]:  # noqa: ARG001  # the same words for each kind
    """Create nothing: a tag or workspace that is gone stays so."""
    return job.targets


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Put back, or take off, what the chunk lists and record it; raises StoreRefused."""
    step = _STEPS[bool(chunk.resource_type), job.adds][0]
    outcome: Outcome = step(connection, _as_of(job), chunk)
    return outcome


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many items ``apply`` would change."""
    step = _STEPS[bool(chunk.resource_type), job.adds][1]
    number: int = step(connection, _as_of(job), chunk)
    return number


def report(connection: Connection, job: JobRecord) -> Report:
    """Return the tags concerned, as the kind that was undone tells its own."""
    of_links = any("name" in one for one in job.targets)
    return attach.report(connection, job) if of_links else delete.report(connection, job)


def _as_of(job: JobRecord) -> JobRecord:
    """Return the job as of the end of the one that it undoes."""
    return replace(job, accepted_at=job.as_of or job.accepted_at)


#: by whether it is about links, and whether it adds: the step, and what counts what it would do
_STEPS: dict[tuple[bool, bool], Any] = {
    (True, True): (attach.apply, attach.count),
    (True, False): (detach.apply, detach.count),
    (False, True): (workspaces.put, workspaces.count_put),
    (False, False): (workspaces.take, workspaces.count_take),
}
