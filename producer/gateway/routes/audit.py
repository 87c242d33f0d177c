"""Who did what: with jobs, keys and the rest, and who asked for each job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import negotiation, pagination
from tagsweep.producer.gateway.routes import jobs, query_parameters, receipts
from tagsweep.worker import database
from tagsweep.worker.audit import entries
from tagsweep.worker.audit.actions import ACTIONS
from tagsweep.worker.audit.entries import Entry, EntryFilter, Place
from tagsweep.worker.models import formats

JSON = "application/json"
#: the query parameters that select entries, as others select a page of them
_FILTERS: dict[str, Any] = {
    "tenant": operations.IDENTIFIER,
    "since": {"type": "string", "format": "date-time"},
    "action": {"type": "string", "enum": list(ACTIONS)},
    "requested_by": {"type": "string"},
    "job": operations.UUID_TEXT,
}
_OPERATION = operations.operation(
    answers={200: "AuditEntries"},
    refused=(401, 404, 406, 429, 500, 503),
    query={**_FILTERS, **pagination.QUERY},
)
_OPERATION["responses"][200]["content"][formats.NDJSON] = {"schema": {"type": "string"}}

router = query_parameters.router()


@router.get("/api/v1/audit/", summary="List who did what", operation_id="listAudit", **_OPERATION)
@router.get("/api/v1/audit", include_in_schema=False)
async def show(request: Request) -> Response:
    """List what people did in the tenant, newest first; with an admin key in all, or in ``tenant``.

    As NDJSON it is all that the filters select, in one answer.
    """
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, spanning=True)
    form = negotiation.required(request, (JSON, formats.NDJSON), "The audit trail")
    wanted = _wanted(request, caller)
    if form == formats.NDJSON:
        return await receipts.answered(request, _lines(request, wanted), form)
    page = pagination.read(request)
    cursor = jobs.place(page.cursor.place)
    count, found = await gateway.store.run(
        _page, wanted, cursor, page.size + 1, back=page.cursor.back, offset=page.offset
    )
    shown = page.answer(request, count, found, _place_of, Entry.shown)
    return document(shown, headers={"Vary": "Accept"})


def _wanted(request: Request, caller: Caller) -> EntryFilter:
    since, action, by, job = (
        pagination.parameter(request, name) for name in ("since", "action", "requested_by", "job")
    )
    if action is not None and action not in ACTIONS:
        raise Refusal(400, f"action must be one of {', '.join(ACTIONS)}.")
    try:
        job_id = None if job is None else UUID(job)
    except ValueError:
        raise Refusal(400, "job must be the id of a job, a UUID.") from None
    start = None if since is None else jobs.moment(since)
    return EntryFilter(jobs.tenant_of(request, caller), start, action, by, job_id)


def _lines(request: Request, wanted: EntryFilter) -> Iterator[str]:
    """Return all that is wanted as NDJSON; raises Refusal (400) if a page of it is asked for."""
    for name in pagination.QUERY:
        if name in request.query_params:
            raise Refusal(400, f"{name} selects a page, and NDJSON has none: leave it out.")
    return formats.ndjson((), (one.shown() for one in entries.each(wanted)))


def _place_of(entry: Entry) -> str:
    return f"{entry.at.isoformat()}/{entry.id}"


def _page(
    wanted: EntryFilter, cursor: Place | None, limit: int, *, back: bool, offset: int
) -> tuple[int, list[Entry]]:
    with database.reading() as connection:
        found = entries.page(connection, wanted, cursor, limit, back=back, offset=offset)
        return entries.count(connection, wanted), found
