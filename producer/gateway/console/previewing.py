"""A clean-up is previewed, and then runs as it was previewed, once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.console import submission
from tagsweep.producer.gateway.console.reading import preview as previews
from tagsweep.producer.gateway.console.reading.preview import Preview
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.worker.mapping import file
from tagsweep.worker.models.jobs import Job

#: how long a page waits for a preview
WAIT_S = 20.0
#: how long reading some of its items may take
SAMPLE_S = 10.0
NO_PREVIEW = "Preview this clean-up first."
ANOTHER = "The form has changed since it was previewed. Preview it again."


def mapped() -> list[str]:
    """Return the names of the resources in tables of the operator's own."""
    mapping = file.load()
    return [] if mapping is None else sorted(mapping.resources)


def check_tenant(caller: Caller) -> None:
    """Raise Refusal (403) if the caller belongs to no tenant."""
    if caller.admin:
        raise Refusal(403, state.ADMIN)


async def built(request: Request, caller: Caller, body: dict[str, Any]) -> Job:
    """Return the valid job that a form describes; raises Refusal (400, 403)."""
    check_tenant(caller)
    return await submission.build(request, caller, body)


async def preview(request: Request, caller: Caller, job: Job, token: str) -> Preview:
    """Preview the job, and return what it would do, as far as that is known by then."""
    dry = _as_preview(job)
    job_id = await submission.submit(request, caller, dry, f"preview {token}", WAIT_S)
    return await _read(request, caller, str(job_id), sampled=True)


async def previewed(request: Request, caller: Caller, job: Job, preview_id: str) -> Preview:
    """Return the preview of this very job; raises Refusal (400, 409)."""
    if not preview_id:
        raise Refusal(400, NO_PREVIEW)
    found = await _read(request, caller, preview_id, sampled=False)
    if found.fingerprint != _as_preview(job).fingerprint():
        raise Refusal(409, ANOTHER)
    if found.job["status"] != "succeeded":
        raise Refusal(409, f"The preview is {found.job['status']}: there is nothing to run.")
    return found


async def run(request: Request, caller: Caller, job: Job, shown: Preview) -> UUID:
    """Run the job; a preview has at most one run."""
    return await submission.submit(request, caller, job, f"run {shown.job['id']}")


def _as_preview(job: Job) -> Job:
    """Return the preview of a job; the guard is for the run alone."""
    fields = {"dry_run": True, "max_affected": None}
    return job.model_copy(update=fields)


async def _read(request: Request, caller: Caller, job_id: str, *, sampled: bool) -> Preview:
    readers = state.of(request).readers
    return await readers.patiently(SAMPLE_S, previews.read, job_id, caller.tenant, sampled=sampled)
