"""Jobs that are submitted from a page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests.parsing import Form
from tagsweep.producer.gateway.routes import jobs
from tagsweep.producer.gateway.submission import job_request
from tagsweep.producer.gateway.submission.transactions import Taken
from tagsweep.worker.models.jobs import Job, UndoJob

SENT_BEFORE = "This form was sent before, with something else in it. Load the page anew."


async def build(request: Request, caller: Caller, body: dict[str, Any]) -> Job:
    """Return the valid job of a body; raises Refusal (400)."""
    gateway = state.of(request)
    form = Form("job", caller.tenant, gateway.settings.request_ids)
    return await gateway.bodies.job_of(body, form)


async def undo(request: Request, caller: Caller, job_id: str, token: str) -> UUID:
    """Record the undo of a job and return its id, as ``submit`` does."""
    job = UndoJob.parse({"tenant": caller.tenant, "job": job_id})
    return await submit(request, caller, job, f"undo {job_id} {token}")


async def submit(request: Request, caller: Caller, job: Job, token: str, wait_s: float = 0) -> UUID:
    """Record a job and return its id; the same form, by its token, is the same job.

    ``wait_s``: how long to wait for its end. Raises Refusal, and what stands in the way of an undo.
    """
    gateway = state.of(request)
    await jobs.authorise(gateway, caller, job)
    wanted = job_request.of_form(caller, job, token, wait_s)
    try:
        await gateway.submission.submit(request, wanted)
    except Taken:
        raise Refusal(409, SENT_BEFORE) from None
    return wanted.job_id
