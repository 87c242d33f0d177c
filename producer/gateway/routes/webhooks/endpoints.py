"""Webhooks: make, list, show, change, delete one; give it a new secret, try it."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway.errors import document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.routes.webhooks import calling
from tagsweep.producer.gateway.routes.webhooks.calling import webhook_id
from tagsweep.worker.webhooks import operations as webhooks

PATH = "/api/v1/webhooks/"
ONE = "/api/v1/webhooks/{webhook_id}"
_ID = {"webhook_id": operations.UUID_TEXT}
_REFUSED = (401, 404, 429, 500, 503)

router = query_parameters.router()


def _rotation(answer: str, *refused: int, **more: Any) -> dict[str, Any]:
    """Return the schema of a rotation, whose body may be left out."""
    wanted = operations.operation(
        body="Rotation", answers={200: answer}, refused=(400, 413, 415, *refused), **more
    )
    wanted["openapi_extra"]["requestBody"]["required"] = False
    return wanted


@router.get(
    PATH,
    summary="List webhooks",
    operation_id="listWebhooks",
    **operations.operation(answers={200: "Webhooks"}, refused=(401, 429, 500, 503)),
)
@router.get("/api/v1/webhooks", include_in_schema=False)
async def show_all(request: Request) -> Response:
    """List the tenant's webhooks, the oldest first: there are at most 100."""
    found: list[dict[str, Any]] = await calling.run(request, webhooks.listed)
    return document({"count": len(found), "next": None, "previous": None, "results": found})


@router.post(
    PATH,
    status_code=201,
    summary="Make a webhook",
    operation_id="makeWebhook",
    **operations.operation(
        body="NewWebhook",
        answers={201: "WebhookWithSecret"},
        refused=(400, 401, 409, 413, 415, 422, 429, 500, 503),
    ),
)
@router.post("/api/v1/webhooks", include_in_schema=False)
async def make(request: Request) -> Response:
    """Have the events of jobs that end from now on sent to a URL. The secret is shown only here."""
    made: dict[str, Any] = await calling.act_on_body(request, webhooks.create)
    return document(made, 201, {"Location": PATH + made["id"]})


@router.post(
    "/api/v1/webhooks/callbacks/rotate",
    summary="Make a new callback secret",
    operation_id="rotateCallbackSecret",
    **_rotation("CallbackSecret", 401, 429, 500, 503),
)
@router.post("/api/v1/webhooks/callbacks/rotate/", include_in_schema=False)
async def rotate_callbacks(request: Request) -> Response:
    """Sign the callbacks of the tenant's jobs with a new secret, for a day with the old one too."""
    return document(await calling.act_on_body(request, webhooks.rotate, None))


@router.get(
    ONE,
    summary="Show a webhook",
    operation_id="showWebhook",
    **operations.operation(answers={200: "Webhook"}, refused=_REFUSED, path=_ID),
)
@router.get(ONE + "/", include_in_schema=False)
async def show(request: Request) -> Response:
    """Show a webhook, without its secret."""
    return document(await calling.run(request, webhooks.show, webhook_id(request)))


@router.patch(
    ONE,
    summary="Change a webhook",
    operation_id="changeWebhook",
    **operations.operation(
        body="WebhookChange",
        answers={200: "Webhook"},
        refused=(400, 413, 415, 422, *_REFUSED),
        path=_ID,
    ),
)
@router.patch(ONE + "/", include_in_schema=False)
async def change(request: Request) -> Response:
    """Change what is given. Switched on again, it gets what waits and what ends from then on."""
    return document(await calling.act_on_body(request, webhooks.change, webhook_id(request)))


@router.delete(
    ONE,
    status_code=204,
    summary="Delete a webhook",
    operation_id="deleteWebhook",
    **operations.operation(answers={204: None}, refused=_REFUSED, path=_ID),
)
@router.delete(ONE + "/", include_in_schema=False)
async def remove(request: Request) -> Response:
    """Delete a webhook with the log of its deliveries."""
    await calling.act(request, webhooks.remove, webhook_id(request))
    return Response(status_code=204)


@router.post(
    ONE + "/rotate",
    summary="Make a new secret",
    operation_id="rotateWebhookSecret",
    **_rotation("WebhookWithSecret", *_REFUSED, path=_ID),
)
@router.post(ONE + "/rotate/", include_in_schema=False)
async def rotate(request: Request) -> Response:
    """Sign with a new secret, which is shown only here, and for a day with the old one too."""
    return document(await calling.act_on_body(request, webhooks.rotate, webhook_id(request)))
