"""The receipt of a job over HTTP: streamed as it is read, as NDJSON or CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import negotiation
from tagsweep.producer.gateway.routes import job_actions, query_parameters
from tagsweep.producer.gateway.state import Gateway
from tagsweep.worker.jobs import receipt
from tagsweep.worker.models import formats
from tagsweep.worker.models.views import OUTCOMES

#: how long a chunk may take to read
PATIENCE_S = 30.0

router = query_parameters.router()


@router.get(
    "/api/v1/jobs/{job_id}/receipt",
    summary="Read what became of each item",
    operation_id="readReceipt",
    **operations.operation(
        answers={200: "Receipt"},
        refused=(400, 401, 404, 406, 410, 429, 500, 503),
        path={"job_id": operations.UUID_TEXT},
        query={"outcome": {"type": "array", "items": {"type": "string", "enum": list(OUTCOMES)}}},
    ),
)
@router.get("/api/v1/jobs/{job_id}/receipt/", include_in_schema=False)
async def read(request: Request) -> Response:
    """Return each item of the job and what became of it, as far as that is known now."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request, spanning=True)
    job_id = job_actions.job_id(request)
    request.state.account.job = job_id
    form = negotiation.required(request, formats.FORMS, "A receipt")
    outcomes = query_parameters.among(request, "outcome", OUTCOMES)
    tenant = await job_actions.owner(gateway, caller, job_id)
    return await streamed(request, job_id, tenant, outcomes, form)


async def streamed(
    request: Request, job_id: UUID, tenant: str, outcomes: set[str], form: str
) -> Response:
    """Return the items of the tenant's job that came to one of ``outcomes``, as ``form``."""
    return await answered(request, _pieces(job_id, tenant, outcomes, form), form)


async def answered(request: Request, pieces: Iterator[str], form: str) -> Response:
    """Return ``pieces`` of a text of this media type, sent as they are read."""
    gateway = state.of(request)
    with gateway.receipts.one():
        first = await _next(gateway, pieces)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"}
    if request.state.account.head_only:
        return Response(media_type=form, headers=headers)
    return _Streamed(gateway, first, pieces, media_type=form, headers=headers)


class _Streamed(StreamingResponse):
    """The pieces as they are read; if the client leaves, no more are."""

    def __init__(
        self, gateway: Gateway, first: str | None, pieces: Iterator[str], **head: Any
    ) -> None:
        self._places = gateway.receipts
        super().__init__(_stream(gateway, first, pieces), **head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.one():  # released whether or not anything could be sent
            await super().__call__(scope, receive, send)


def _pieces(job_id: UUID, tenant: str, outcomes: set[str], form: str) -> Iterator[str]:
    columns = receipt.columns(job_id, tenant)
    yield from formats.FORMS[form](columns, receipt.entries(job_id, tenant, outcomes))


async def _next(gateway: Gateway, pieces: Iterator[str]) -> str | None:
    """Return the next piece, read in a thread that only receipts use; None at the end."""
    return await gateway.readers.patiently(PATIENCE_S, next, pieces, None)


async def _stream(gateway: Gateway, piece: str | None, pieces: Iterator[str]) -> AsyncIterator[str]:
    """Yield all pieces; if one cannot be read, the answer breaks off, visibly incomplete."""
    while piece is not None:
        yield piece
        piece = await _next(gateway, pieces)
