"""What is asked of a recorded job: cancel it, do the rest of it, pause it, let it go on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy import Connection

from producer.gateway import ledger, routing, schemas, service
from producer.gateway.callers import Caller
from producer.gateway.ledger import View
from producer.gateway.refusals import Refusal
from producer.gateway.service import Gateway
from worker import progress, steering
from worker.errors import NoSuchJob, NothingToRetry, NotRunning
from worker.models.records import JobRecord

NOT_FOUND = "There is no such job."
#: how long what follows an answer may take; what is not done by then, recovery does
PUBLISH_S = 30.0
#: how long a retry may take: its old answer is forgotten first, unless the result backend is silent
RETRY_S = 8.0

router = routing.router()

_STEERED: dict[str, Any] = schemas.operation(
    answers={202: "Job"},
    refused=(401, 404, 409, 429, 500, 503),
    path={"job_id": schemas.UUID_TEXT},
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
    gateway = service.of(request)
    caller = await gateway.caller_by_key(request)
    before, after = await _steer(gateway, request, caller, progress.cancel)
    if before.job.ended:
        raise Refusal(409, f"The job has ended already: {before.job.status}.")
    if after.job.ended:
        gateway.later(gateway.store.patiently(PUBLISH_S, ledger.publish, after.job.id))
    return schemas.accepted(after, {})


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
    return await _go_on(request, steering.retry, RETRY_S)


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
    gateway = service.of(request)
    caller = await gateway.caller_by_key(request)
    _, after = await _steer(gateway, request, caller, partial(steering.pause, paused=True))
    return schemas.accepted(after, {})


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
    return await _go_on(request, partial(steering.pause, paused=False))


async def _go_on(
    request: Request,
    step: Callable[[Connection, UUID], JobRecord],
    patience_s: float | None = None,
) -> Response:
    """Do ``step``, after which there is something for a worker to do."""
    gateway = service.of(request)
    caller = await gateway.caller_by_key(request)
    _, after = await _steer(gateway, request, caller, step, patience_s)
    gateway.later(gateway.broker.patiently(PUBLISH_S, ledger.go_on, after.job.id))
    return schemas.accepted(after, {})


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
            return await store.run(ledger.steer, wanted, caller.tenant, step)
        patience_s = max(patience_s, store.patience_s)
        return await store.patiently(patience_s, ledger.steer, wanted, caller.tenant, step)
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
