"""The deliveries of a webhook: tried with a test, listed, sent again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import pagination
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.routes.webhooks import calling
from tagsweep.producer.gateway.routes.webhooks.calling import webhook_id
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
    cursor = _place(page.cursor.place)

    def read(tenant: str) -> tuple[int, list[dict[str, Any]]]:
        ways = {"back": page.cursor.back, "offset": page.offset}
        return webhooks.log(tenant, wanted, state, cursor, page.size + 1, **ways)  # type: ignore[arg-type]  # a bool and an int

    count, rows = await calling.run(request, read)
    return document(page.answer(request, count, rows, _place_of, dict))


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
    event_id = request.path_params["event_id"].replace("\0", "")  # the store takes none
    sent = await calling.act(request, webhooks.redeliver, webhook_id(request), event_id)
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
        moment = datetime.fromisoformat(given if isinstance(given, str) else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(400, 'Give {"since": a time like 2026-01-31T12:00:00Z}.') from None


def _place_of(row: dict[str, Any]) -> str:
    return f"{row['created_at']}/{row['event_id']}"


def _place(text: str | None) -> tuple[datetime, str] | None:
    if text is None:
        return None
    created_at, _, event_id = text.partition("/")
    try:
        return datetime.fromisoformat(created_at).astimezone(UTC), event_id
    except (ValueError, OverflowError):
        raise pagination.invalid_cursor() from None
