"""Actions on a recorded job: cancel, retry, pause, resume, run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import NO_JOB, Refusal
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import parsing
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.state import Gateway
from tagsweep.producer.gateway.submission import transactions
from tagsweep.producer.gateway.submission.transactions import Action, View
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.jobs import control, dispatch
from tagsweep.worker.models.run import RunRequest

#: how long publishing or waking may take; recovery does what is not done by then
AFTER_COMMIT_S = 30.0
#: how long a retry may take: its old result is deleted first, unless the result backend is silent
RETRY_S = 8.0

#: bytes of a body that has but a note
MOST_BODY = 64 << 10

SYSTEM_TAGS = "The job has sys_tags: running it needs a credential with the operator right."

router = query_parameters.router()

_ACTION: dict[str, Any] = operations.operation(
    answers={202: "Job"},
    refused=(401, 404, 409, 429, 500, 503),
    path={"job_id": operations.UUID_TEXT},
)


@router.post(
    "/api/v1/jobs/{job_id}/cancel",
    status_code=202,
    summary="Cancel a job",
    operation_id="cancelJob",
    **_ACTION,
)
@router.post("/api/v1/jobs/{job_id}/cancel/", include_in_schema=False)
async def cancel(request: Request) -> Response:
    """Start no further chunk of a job; what is done stays done."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, spanning=True)
    before, after = await act(request, caller, control.cancel)
    if before.job.ended:
        raise Refusal(409, f"The job has ended already: {before.job.status}.")
    if after.job.ended:
        after_commit(gateway, after)
    return operations.accepted(after, {})


@router.post(
    "/api/v1/jobs/{job_id}/retry",
    status_code=202,
    summary="Retry a job",
    operation_id="retryJob",
    **_ACTION,
)
@router.post("/api/v1/jobs/{job_id}/retry/", include_in_schema=False)
async def retry(request: Request) -> Response:
    """Run an ended job again on exactly its failed and unprocessed items."""
    return await _continue(request, control.retry, RETRY_S)


@router.post(
    "/api/v1/jobs/{job_id}/pause",
    status_code=202,
    summary="Pause a job",
    operation_id="pauseJob",
    **_ACTION,
)
@router.post("/api/v1/jobs/{job_id}/pause/", include_in_schema=False)
async def pause(request: Request) -> Response:
    """Start no further chunk of a job until it is resumed."""
    caller = await state.of(request).caller_by_key(request, spanning=True)
    _, after = await act(request, caller, control.pause)
    return operations.accepted(after, {})


@router.post(
    "/api/v1/jobs/{job_id}/resume",
    status_code=202,
    summary="Resume a job",
    operation_id="resumeJob",
    **_ACTION,
)
@router.post("/api/v1/jobs/{job_id}/resume/", include_in_schema=False)
async def resume(request: Request) -> Response:
    """Continue a paused job; one that is not paused continues anyway."""
    return await _continue(request, control.resume)


_RUN: dict[str, Any] = operations.operation(
    body="NewRun",
    answers={202: "Job"},
    refused=(401, 403, 404, 409, 410, 413, 415, 429, 500, 503),
    path={"job_id": operations.UUID_TEXT},
)
_RUN["openapi_extra"]["requestBody"]["required"] = False


@router.post(
    "/api/v1/jobs/{job_id}/run",
    status_code=202,
    summary="Run a preview",
    operation_id="runJob",
    **_RUN,
)
@router.post("/api/v1/jobs/{job_id}/run/", include_in_schema=False)
async def run(request: Request) -> Response:
    """Do what a preview has shown, as of its acceptance: a new job, the same however often asked.

    One's own preview needs the scope ``write``, any other ``approve``.
    """
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, "write", "approve")
    note = await _note(request)
    return operations.accepted(await run_preview(request, caller, "http", note), {})


async def _note(request: Request) -> Any:
    """Return the note in the body, which may be missing; raises Refusal (400, 403, 413, 415)."""
    async with state.of(request).bodies.receive(request, MOST_BODY) as body:
        content = body.in_memory()
    try:
        given = parsing.decode(content)
    except parsing.NotJson as error:
        raise Refusal(400, f"JSON parse error - {error}") from None
    if not isinstance(given, dict):
        raise Refusal(400, "The body must be an object.")
    if "requested_by" in given:
        raise Refusal(403, parsing.REQUESTED_BY)
    if unknown := sorted(given.keys() - {"note"}):
        wrong = [parsing.unknown_field(name) for name in unknown]
        raise errors.invalid(InvalidJob(wrong))
    return given.get("note")


async def run_preview(request: Request, caller: Caller, door: str, note: Any = None) -> View:
    """Return the job that does what the preview in the path has shown.

    ``note``: in place of the preview's own. Raises Refusal (400, 403), and what stands in the way
    of a run.
    """
    gateway, preview = state.of(request), job_id(request)
    by = await gateway.store.run(transactions.asked_with, preview, caller.tenant)
    state.allow(caller, "write" if by == caller.credential else "approve")
    if not caller.operator and await gateway.store.run(
        transactions.touches_system_tags, preview, caller.tenant
    ):
        raise Refusal(403, SYSTEM_TAGS)
    try:
        wanted = RunRequest.parse({"tenant": caller.tenant, "job": str(preview), "note": note})
    except InvalidJob as wrong:
        raise errors.invalid(wrong) from None
    view = await gateway.store.run(transactions.run, wanted, caller.through(door))
    request.state.account.job = view.job.id
    after_commit(gateway, view)
    return view


async def _continue(
    request: Request,
    action: Action,
    patience_s: float | None = None,
) -> Response:
    """Apply ``action``, after which there is something for workers to do."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, spanning=True)
    _, after = await act(request, caller, action, patience_s)
    after_commit(gateway, after)
    return operations.accepted(after, {})


def after_commit(gateway: Gateway, view: View) -> None:
    """Publish the job's end, or wake workers, without making the client wait for it."""
    # an end is read from the store's outbox first, workers are woken through the broker: a server
    # that hangs takes none of the other's threads
    threads = gateway.store if view.job.ended else gateway.broker
    gateway.later(threads.patiently(AFTER_COMMIT_S, dispatch.after_commit, view.job))


async def act(
    request: Request,
    caller: Caller,
    action: Action,
    patience_s: float | None = None,
    *,
    door: str = "http",
) -> tuple[View, View]:
    """Apply ``action`` to the job in the path; return it as it was before, and as it is after."""
    gateway = state.of(request)
    wanted = request.state.account.job = job_id(request)
    tenant = await owner(gateway, caller, wanted)
    store, asked = gateway.store, (wanted, tenant, action, caller.through(door))
    if patience_s is None:
        return await store.run(transactions.act, *asked)
    patience_s = max(patience_s, store.patience_s)
    return await store.patiently(patience_s, transactions.act, *asked)


async def owner(gateway: Gateway, caller: Caller, wanted: UUID) -> str:
    """Return the caller's tenant; for an admin, the one whose job this is; raises Refusal (404)."""
    if not caller.admin:
        return caller.tenant
    tenant: str | None = await gateway.store.run(transactions.owner, wanted)
    if tenant is None:
        raise Refusal(404, NO_JOB)
    return tenant


def job_id(request: Request) -> UUID:
    """Return the job id in the path; raises Refusal (404) if it is not a UUID."""
    try:
        return UUID(request.path_params["job_id"])
    except ValueError:
        raise Refusal(404, NO_JOB) from None
