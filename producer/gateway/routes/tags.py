"""The contract *Detach Tags*, and attach, which has the same body, answer and errors."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import preferences
from tagsweep.producer.gateway.requests.parsing import Form
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.submission import job_request
from tagsweep.producer.gateway.submission.transactions import Taken, View

CANCELLED = "The job was cancelled before it ended."

router = query_parameters.router()


def _operation(body: str) -> dict[str, Any]:
    """Return the schema of a route whose body is the component ``body``."""
    return operations.operation(
        body=body,
        answers={200: "Tags", 202: "Job"},
        refused=(400, 401, 409, 413, 415, 422, 429, 500, 503),
        shape="DetachError",
        headers=operations.ASYNCHRONOUS,
        security="apiKey",
    )


@router.post(
    "/api/v1/tags/detach/",
    summary="Detach tags",
    operation_id="detachTags",
    **_operation("Detach"),
)
@router.post("/api/v1/tags/detach", include_in_schema=False)
async def detach(request: Request) -> Response:
    """Take tags off resources and answer with the tags that were matched; the tags stay."""
    return await _serve(request, "detach")


@router.post(
    "/api/v1/tags/attach/",
    summary="Attach tags",
    operation_id="attachTags",
    **_operation("Attach"),
)
@router.post("/api/v1/tags/attach", include_in_schema=False)
async def attach(request: Request) -> Response:
    """Put tags, which are created if missing, on resources and answer with these tags."""
    return await _serve(request, "attach")


async def _serve(request: Request, kind: str) -> Response:
    """Do a job of ``kind`` and answer with the tags that were matched."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request)
    preference = preferences.read(request.headers, gateway.settings.wait_s)
    async with gateway.bodies.receive(request, gateway.settings.body_bytes) as body:
        form = Form(kind, caller.tenant, gateway.settings.request_ids)
        job = await gateway.bodies.job(body, form)
    wanted = job_request.of(request, caller, job, preference)
    try:
        view = await gateway.submission.submit(request, wanted)
    except Taken:
        raise Refusal(422, "This Idempotency-Key was used for another request.") from None
    if preference.accepted(ended=view.job.ended):
        return operations.accepted(view, preference.headers)
    return _answer(view, {**preference.headers, **operations.identified(view)})


def _answer(view: View, headers: dict[str, str]) -> Response:
    status = view.job.status
    if not view.job.ended:
        return operations.accepted(view, headers)
    if status == "cancelled":
        raise Refusal(409, CANCELLED, headers=headers)
    errors.check_approval(view.job.errors, headers)
    if status == "failed" or view.event is None:
        detail = f"Job {view.job.id} failed: GET /api/v1/jobs/{view.job.id} says why."
        raise Refusal(500, detail, headers=headers)
    return document(view.event["data"]["tags"], headers=headers)
