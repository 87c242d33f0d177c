"""The deliveries of a webhook: tried with a test, listed, sent again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import pagination, times
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.routes.webhooks import calling
from tagsweep.producer.gateway.routes.webhooks.calling import event_id, webhook_id
from tagsweep.worker.webhooks import operations as webhooks
from tagsweep.worker.webhooks.deliveries import STATES
from tagsweep.worker.webhooks.operations import Actor

ONE = "/api/v1/webhooks/{webhook_id}"
AGAIN = ONE + "/deliveries/{event_id}/redeliver"
_ID = {"webhook_id": operations.UUID_TEXT}
_REFUSED = (400, 401, 404, 429, 500, 503)
_BODY = (413, 415)

router = query_parameters.router()


@router.post(
    ONE + "/test",
    status_code=202,
    summary="Try a webhook",
    operation_id="testWebhook",
    **operations.operation(answers={202: "Delivery"}, refused=_REFUSED, path=_ID),
)
@router.post(ONE + "/test/", include_in_schema=False)
async def test(request: Request) -> Response:
    """Have an event sent that tells of no job, of the type ``tagsweep.webhook.test``."""
    sent = await calling.act(request, webhooks.test, webhook_id(request))
    return document(sent, 202)


@router.get(
    ONE + "/deliveries",
    summary="List deliveries",
    operation_id="listDeliveries",
    **operations.operation(
        answers={200: "Deliveries"},
        refused=_REFUSED,
        path=_ID,
        query={"state": {"type": "string", "enum": list(STATES)}, **pagination.QUERY},
    ),
)
@router.get(ONE + "/deliveries/", include_in_schema=False)
async def show_all(request: Request) -> Response:
    """List the deliveries of a webhook, the newest first, with their latest attempts."""
    wanted, page = webhook_id(request), pagination.read(request)
    state = pagination.parameter(request, "state")
    if state is not None and state not in STATES:
        raise Refusal(400, f"state must be one of {', '.join(STATES)}.")
    cursor = place(page.cursor.place)

    def read(tenant: str) -> tuple[int, list[dict[str, Any]]]:
        ways = {"back": page.cursor.back, "offset": page.offset}
        return webhooks.log(tenant, wanted, state, cursor, page.size + 1, **ways)  # type: ignore[arg-type]  # a bool and an int

    count, rows = await calling.run(request, read)
    return document(page.answer(request, count, rows, place_of, dict))


@router.post(
    AGAIN,
    status_code=202,
    summary="Send a delivery again",
    operation_id="redeliver",
    **operations.operation(
        answers={202: "Delivery"},
        refused=_REFUSED,
        path={**_ID, "event_id": {"type": "string", "pattern": "^[0-9a-z.-]{1,64}$"}},
    ),
)
@router.post(AGAIN + "/", include_in_schema=False)
async def again(request: Request) -> Response:
    """Send an event again, however its delivery ended."""
    sent = await calling.act(request, webhooks.redeliver, webhook_id(request), event_id(request))
    return document(sent, 202)


@router.post(
    ONE + "/redeliver",
    status_code=202,
    summary="Send all deliveries again since a time",
    operation_id="redeliverSince",
    **operations.operation(
        body="Since", answers={202: "Redelivered"}, refused=(*_REFUSED, *_BODY), path=_ID
    ),
)
@router.post(ONE + "/redeliver/", include_in_schema=False)
async def again_since(request: Request) -> Response:
    """Send all events since a time again, those too that the webhook never got."""
    count = await calling.act_on_body(request, _again_since, webhook_id(request))
    return document({"count": count}, 202)


def _again_since(actor: Actor, wanted: UUID, body: object) -> int:
    return webhooks.redeliver_since(actor, wanted, _since(body))


def _since(body: object) -> datetime:
    given = body.get("since") if isinstance(body, dict) and set(body) == {"since"} else None
    try:
        return times.moment(given if isinstance(given, str) else "")
    except ValueError:
        raise Refusal(400, 'Give {"since": a time like 2026-01-31T12:00:00Z}.') from None


def place_of(row: Mapping[str, Any]) -> str:
    """Return the place of a delivery in the log."""
    return f"{row['created_at']}/{row['event_id']}"


def place(text: str | None) -> tuple[datetime, str] | None:
    """Return time and event of the place that a cursor has; raises Refusal (404)."""
    try:
        return None if text is None else times.place(text)
    except ValueError:
        raise pagination.invalid_cursor() from None
