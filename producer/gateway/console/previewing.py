"""A clean-up that a form describes, as a preview."""

from __future__ import annotations

from typing import Any

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
    dry = job.model_copy(update={"dry_run": True})
    job_id = await submission.submit(request, caller, dry, f"preview {token}", WAIT_S)
    readers = state.of(request).readers
    return await readers.patiently(SAMPLE_S, previews.read, str(job_id), caller.tenant)
