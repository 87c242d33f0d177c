"""Jobs: submit one of any kind, undo one, list them, show one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import NO_JOB, Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.openapi.components import STATUSES
from tagsweep.producer.gateway.requests import pagination, preferences, times
from tagsweep.producer.gateway.requests.parsing import Form
from tagsweep.producer.gateway.routes import job_actions, query_parameters
from tagsweep.producer.gateway.state import Gateway
from tagsweep.producer.gateway.submission import job_request, transactions
from tagsweep.producer.gateway.submission.transactions import Taken, View
from tagsweep.worker import database
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import queries
from tagsweep.worker.jobs.queries import JobFilter
from tagsweep.worker.models.jobs import (
    KINDS,
    Job,
    UndoJob,
    WorkspacesJob,
)

router = query_parameters.router()


@router.post(
    "/api/v1/jobs/",
    status_code=202,
    summary="Submit a job",
    operation_id="makeJob",
    **operations.operation(
        body="NewJob",
        answers={202: "Job"},
        refused=(400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 500, 503),
        headers=operations.ASYNCHRONOUS,
    ),
)
@router.post("/api/v1/jobs", include_in_schema=False)
async def make(request: Request) -> Response:
    """Record a job of any kind, which is done in the background, and answer with it.

    At once, or with ``Prefer: wait=N`` when it has ended, or after so many seconds.
    """
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, "preview", "write", "undo")
    async with gateway.bodies.receive(request, gateway.settings.body_bytes) as body:
        form = Form("job", caller.tenant, gateway.settings.request_ids)
        job = await gateway.bodies.job(body, form)
    return await _submit(request, caller, job)


@router.post(
    "/api/v1/jobs/{job_id}/undo",
    status_code=202,
    summary="Undo a job",
    operation_id="undoJob",
    **operations.operation(
        answers={202: "Job"},
        refused=(400, 401, 403, 404, 409, 410, 422, 429, 500, 503),
        path={"job_id": operations.UUID_TEXT},
        headers=operations.ASYNCHRONOUS,
    ),
)
@router.post("/api/v1/jobs/{job_id}/undo/", include_in_schema=False)
async def undo(request: Request) -> Response:
    """Record a new job that undoes what this one has changed."""
    caller = await state.of(request).caller_by_key(request, "undo")
    undone = str(job_actions.job_id(request))
    return await _submit(request, caller, UndoJob.parse({"tenant": caller.tenant, "job": undone}))


async def _submit(request: Request, caller: Caller, job: Job) -> Response:
    """Record the job and answer with it."""
    gateway = state.of(request)
    await authorise(gateway, caller, job)
    wait_s = gateway.settings.wait_s
    preference = preferences.read(request.headers, wait_s, always_async=True)
    wanted = job_request.of(request, caller, job, preference)
    try:
        view = await gateway.submission.submit(request, wanted)
    except Taken:
        raise Refusal(422, "This Idempotency-Key was used for another request.") from None
    return operations.accepted(view, preference.headers)


async def authorise(gateway: Gateway, caller: Caller, job: Job) -> None:
    """Raise Refusal (403) if the caller's key does not allow the job."""
    scope = "undo" if isinstance(job, UndoJob) else "write"
    state.allow(caller, *(["preview"] if job.dry_run else []), scope)
    if caller.operator:
        return
    if isinstance(job, WorkspacesJob) and job.sys_tags:
        raise Refusal(403, "sys_tags need a credential with the operator right.")
    if isinstance(job, UndoJob) and await gateway.store.run(
        transactions.touches_system_tags, UUID(job.job), caller.tenant
    ):
        detail = "The job has sys_tags: undoing it needs a credential with the operator right."
        raise Refusal(403, detail)


@router.get(
    "/api/v1/jobs/",
    summary="List jobs",
    operation_id="listJobs",
    **operations.operation(
        answers={200: "Jobs"},
        refused=(400, 401, 404, 429, 500, 503),
        query={
            "tenant": operations.IDENTIFIER,
            "kind": {"type": "string", "enum": list(KINDS)},
            "status": {"type": "string", "enum": list(STATUSES)},
            "since": {"type": "string", "format": "date-time"},
            "requested_by": {"type": "string"},
            **pagination.QUERY,
        },
    ),
)
@router.get("/api/v1/jobs", include_in_schema=False)
async def show_all(request: Request) -> Response:
    """List the tenant's jobs, newest first; with an admin key those of all, or of ``tenant``."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, spanning=True)
    wanted, page = _wanted(request, caller), pagination.read(request)
    cursor = place(page.cursor.place)
    count, views = await gateway.store.run(
        _page, wanted, cursor, page.size + 1, back=page.cursor.back, offset=page.offset
    )
    return document(page.answer(request, count, views, _place_of, View.shown))


@router.get(
    "/api/v1/jobs/{job_id}",
    summary="Show a job",
    operation_id="showJob",
    **operations.operation(
        answers={200: "Job"},
        refused=(401, 404, 429, 500, 503),
        path={"job_id": operations.UUID_TEXT},
    ),
)
@router.get("/api/v1/jobs/{job_id}/", include_in_schema=False)
async def show(request: Request) -> Response:
    """Show one job, as it is now."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, spanning=True)
    job_id = job_actions.job_id(request)
    tenant = await job_actions.owner(gateway, caller, job_id)
    view = await gateway.store.run(transactions.view, job_id, tenant)
    if view is None:
        raise Refusal(404, NO_JOB)
    return document(view.shown())


def _wanted(request: Request, caller: Caller) -> JobFilter:
    kind, status, since = (
        pagination.parameter(request, name) for name in ("kind", "status", "since")
    )
    if kind is not None and kind not in KINDS:
        raise Refusal(400, f"kind must be one of {', '.join(KINDS)}.")
    if status is not None and status not in STATUSES:
        raise Refusal(400, f"status must be one of {', '.join(STATUSES)}.")
    start = None if since is None else moment(since)
    by = pagination.parameter(request, "requested_by")
    return JobFilter(tenant_of(request, caller), kind, status, start, by)


def tenant_of(request: Request, caller: Caller) -> str | None:
    """Return whose rows are wanted; None, with an admin key: everybody's. Raises Refusal (403)."""
    tenant = pagination.parameter(request, "tenant")
    if caller.admin:
        return tenant
    if tenant not in (None, caller.tenant):
        raise Refusal(403, "The key belongs to another tenant.")
    return caller.tenant


def moment(text: str) -> datetime:
    """Return the time that ``text`` names, without an offset in UTC; raises Refusal (400)."""
    try:
        return times.in_query(text)
    except ValueError:
        raise Refusal(400, "since must be a time like 2026-01-31T12:00:00Z.") from None


def _place_of(view: View) -> str:
    return f"{view.job.accepted_at.isoformat()}/{view.job.id}"


def place(text: str | None) -> tuple[datetime, UUID] | None:
    """Return the time and the id that a cursor has; raises Refusal (404)."""
    if text is None:
        return None
    try:
        accepted_at, job_id = times.place(text)
        return accepted_at, UUID(job_id)
    except ValueError:
        raise pagination.invalid_cursor() from None


def _page(
    wanted: JobFilter, cursor: tuple[datetime, UUID] | None, limit: int, *, back: bool, offset: int
) -> tuple[int, list[View]]:
    with database.reading() as connection:
        jobs = queries.page(connection, wanted, cursor, limit, back=back, offset=offset)
        views = [View(job, outbox.latest(connection, job.id)) for job in jobs]
        return queries.count(connection, wanted), views
