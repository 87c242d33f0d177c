"""What is asked of a recorded job: cancel it, do the rest of it, pause it, let it go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy import Connection

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.state import Gateway
from tagsweep.producer.gateway.submission import transactions
from tagsweep.producer.gateway.submission.transactions import View
from tagsweep.worker.errors import NoSuchJob, NothingToRetry, NotRunning
from tagsweep.worker.jobs import control
from tagsweep.worker.models.records import JobRecord

NOT_FOUND = "There is no such job."
#: how long what follows an answer may take; what is not done by then, recovery does
PUBLISH_S = 30.0
#: how long a retry may take: its old answer is forgotten first, unless the result backend is silent
RETRY_S = 8.0

router = query_parameters.router()

_STEERED: dict[str, Any] = operations.operation(
    answers={202: "Job"},
    refused=(401, 404, 409, 429, 500, 503),
    path={"job_id": operations.UUID_TEXT},
)


@router.post(
    "/api/v1/jobs/{job_id}/cancel",
    status_code=202,
    summary="Cancel a job",
    operation_id="cancelJob",
    **_STEERED,
)
@router.post("/api/v1/jobs/{job_id}/cancel/", include_in_schema=False)
async def cancel(request: Request) -> Response:
    """Let no further chunk of a job begin; what is done stays done."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request)
    before, after = await _steer(gateway, request, caller, control.cancel)
    if before.job.ended:
        raise Refusal(409, f"The job has ended already: {before.job.status}.")
    if after.job.ended:
        gateway.later(gateway.store.patiently(PUBLISH_S, transactions.publish, after.job.id))
    return operations.accepted(after, {})


@router.post(
    "/api/v1/jobs/{job_id}/retry",
    status_code=202,
    summary="Try a job again",
    operation_id="retryJob",
    **_STEERED,
)
@router.post("/api/v1/jobs/{job_id}/retry/", include_in_schema=False)
async def retry(request: Request) -> Response:
    """Let an ended job run again on exactly its failed and unprocessed items."""
    return await _go_on(request, control.retry, RETRY_S)


@router.post(
    "/api/v1/jobs/{job_id}/pause",
    status_code=202,
    summary="Pause a job",
    operation_id="pauseJob",
    **_STEERED,
)
@router.post("/api/v1/jobs/{job_id}/pause/", include_in_schema=False)
async def pause(request: Request) -> Response:
    """Let no further chunk of a job begin till it is resumed."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request)
    _, after = await _steer(gateway, request, caller, control.pause)
    return operations.accepted(after, {})


@router.post(
    "/api/v1/jobs/{job_id}/resume",
    status_code=202,
    summary="Resume a job",
    operation_id="resumeJob",
    **_STEERED,
)
@router.post("/api/v1/jobs/{job_id}/resume/", include_in_schema=False)
async def resume(request: Request) -> Response:
    """Let a paused job go on; one that is not paused goes on anyway."""
    return await _go_on(request, control.resume)


async def _go_on(
    request: Request,
    step: Callable[[Connection, UUID], JobRecord],
    patience_s: float | None = None,
) -> Response:
    """Do ``step``, after which there is something for a worker to do."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request)
    _, after = await _steer(gateway, request, caller, step, patience_s)
    gateway.later(gateway.broker.patiently(PUBLISH_S, transactions.go_on, after.job.id))
    return operations.accepted(after, {})


async def _steer(
    gateway: Gateway,
    request: Request,
    caller: Caller,
    step: Callable[[Connection, UUID], JobRecord],
    patience_s: float | None = None,
) -> tuple[View, View]:
    wanted = job_id(request)
    request.state.account.job = wanted
    store = gateway.store
    try:
        if patience_s is None:
            return await store.run(transactions.steer, wanted, caller.tenant, step)
        patience_s = max(patience_s, store.patience_s)
        return await store.patiently(patience_s, transactions.steer, wanted, caller.tenant, step)
    except NoSuchJob:
        raise Refusal(404, NOT_FOUND) from None
    except (NothingToRetry, NotRunning) as error:
        raise Refusal(409, str(error)) from None


def job_id(request: Request) -> UUID:
    """Return which job the path is about; raises Refusal (404) where it can be none."""
    try:
        return UUID(request.path_params["job_id"])
    except ValueError:
        raise Refusal(404, NOT_FOUND) from None
