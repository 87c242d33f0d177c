"""Jobs that are submitted from a page."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.routes import jobs
from tagsweep.producer.gateway.submission import job_request
from tagsweep.producer.gateway.submission.transactions import Taken
from tagsweep.worker.models.jobs import Job

SENT_BEFORE = "This form was sent before, with something else in it. Load the page anew."


async def submit(request: Request, caller: Caller, job: Job, token: str) -> UUID:
    """Record a job and return its id; the same form, by its token, is the same job.

    Raises Refusal, and what stands in the way of an undo.
    """
    gateway = state.of(request)
    await jobs.authorise(gateway, caller, job)
    wanted = job_request.of_form(caller, job, token)
    try:
        view = await gateway.submission.submit(request, wanted)
    except Taken:
        raise Refusal(409, SENT_BEFORE) from None
    return view.job.id
