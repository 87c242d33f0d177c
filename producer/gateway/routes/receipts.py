"""The receipt of a job over HTTP: streamed as it is read, as NDJSON or CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.routes import job_actions, query_parameters
from tagsweep.producer.gateway.state import Gateway
from tagsweep.worker.errors import Forgotten, NoSuchJob
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
        query={"outcome": {"type": "array", "items": {"enum": list(OUTCOMES)}}},
    ),
)
@router.get("/api/v1/jobs/{job_id}/receipt/", include_in_schema=False)
async def read(request: Request) -> Response:
    """Tell each item of the job and what became of it, as far as that is known now."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request)
    job_id = job_actions.job_id(request)
    request.state.account.job = job_id
    form, outcomes = _form(request), _outcomes(request)
    pieces = _pieces(job_id, caller.tenant, outcomes, form)
    try:
        with gateway.receipts.one():
            first = await _next(gateway, pieces)
    except NoSuchJob:
        raise Refusal(404, job_actions.NOT_FOUND) from None
    except Forgotten as error:
        raise Refusal(410, str(error)) from None
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"}
    if request.state.account.head_only:
        return Response(media_type=form, headers=headers)
    return _Streamed(gateway, first, pieces, media_type=form, headers=headers)


class _Streamed(StreamingResponse):
    """The pieces as they are read; where the client goes, nothing more is."""

    def __init__(
        self, gateway: Gateway, first: str | None, pieces: Iterator[str], **head: Any
    ) -> None:
        self._places = gateway.receipts
        super().__init__(_stream(gateway, first, pieces), **head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.one():  # given back whether or not anything could be sent
            await super().__call__(scope, receive, send)


def _pieces(job_id: UUID, tenant: str, outcomes: set[str], form: str) -> Iterator[str]:
    columns = receipt.columns(job_id, tenant)
    yield from formats.FORMS[form](columns, receipt.entries(job_id, tenant, outcomes))


async def _next(gateway: Gateway, pieces: Iterator[str]) -> str | None:
    """Return the next piece, read in a thread of those that only receipts use; None: the end."""
    return await gateway.readers.patiently(PATIENCE_S, next, pieces, None)


async def _stream(gateway: Gateway, piece: str | None, pieces: Iterator[str]) -> AsyncIterator[str]:
    """Yield what there is; what cannot be read to its end breaks off: it is not the whole."""
    while piece is not None:
        yield piece
        piece = await _next(gateway, pieces)


def _outcomes(request: Request) -> set[str]:
    """Return the outcomes that are asked for, all by default; raises Refusal (400)."""
    given = request.query_params.getlist("outcome")
    wanted = {one for text in given for one in text.split(",")}
    if wanted - set(OUTCOMES):
        raise Refusal(400, f"outcome must be one or several of {', '.join(OUTCOMES)}.")
    return wanted or set(OUTCOMES)


def _form(request: Request) -> str:
    """Return the media type that the client likes best; raises Refusal (406)."""
    accepted = ",".join(request.headers.getlist("accept")).strip() or "*/*"
    ranges = [_range(text) for text in accepted.split(",") if text.strip()]
    liked = {form: _liking(form, ranges) for form in formats.FORMS}
    best = max(liked, key=lambda form: liked[form])
    if not liked[best]:
        raise Refusal(406, f"A receipt is {' or '.join(formats.FORMS)}.")
    return best


def _range(text: str) -> tuple[str, float]:
    media, *parameters = text.lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media.strip(), float(value)
            except ValueError:
                return media.strip(), 0.0
    return media.strip(), 1.0


def _liking(form: str, ranges: list[tuple[str, float]]) -> float:
    """Return how much a form is liked: as the narrowest range says that it is in (RFC 9110)."""
    for wide in (form, form.partition("/")[0] + "/*", "*/*"):
        given = [quality for media, quality in ranges if media == wide]
        if given:
            return max(given)
    return 0.0
