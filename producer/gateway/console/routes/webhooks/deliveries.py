"""Events that a webhook gets once more: one of its log, or all since a time."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.presentation import webhooks as words
from tagsweep.producer.gateway.console.reading import webhooks
from tagsweep.producer.gateway.console.routes.webhooks import calls
from tagsweep.producer.gateway.requests import times
from tagsweep.producer.gateway.routes.webhooks.calling import event_id
from tagsweep.worker.webhooks import operations

ONE = "/console/webhooks/{webhook_id}/deliveries/{event_id}/redeliver"
SINCE = "/console/webhooks/{webhook_id}/redeliver"
NO_TIME = "Must be a time like 2026-01-31T12:00."

router = routing.router()


@router.get(ONE)
async def ask(request: Request) -> Response:
    """Ask before an event is sent again."""
    who = await calls.visitor(request, "write")
    asked = (calls.hook_id(request), event_id(request))
    hook, sent = await calls.read(request, who, webhooks.delivery, *asked)
    event = sent["event_id"]
    values = words.asked(hook, words.again(event), f"deliveries/{event}/redeliver")
    return rendering.page(request, "webhook_question", values)


@router.post(ONE)
async def again(request: Request) -> Response:
    """Send an event again, and lead to the log."""
    who, _ = await calls.form(request)
    wanted = calls.hook_id(request)
    await calls.act(request, who, operations.redeliver, wanted, event_id(request))
    return rendering.redirect(request, f"/webhooks/{wanted}?again=1")


@router.get(SINCE)
async def ask_since(request: Request) -> Response:
    """Ask since when events are to be sent again."""
    who = await calls.visitor(request, "write")
    hook = await calls.hook(request, who)
    return _since(request, hook, {"given": "", "fault": None})


@router.post(SINCE)
async def again_since(request: Request) -> Response:
    """Send all events since a time again, and lead to the log."""
    who, sent = await calls.form(request)
    hook = await calls.hook(request, who)
    given = sent.one("since")
    try:
        moment = times.moment(given)
    except ValueError:
        return _since(request, hook, {"given": given, "fault": NO_TIME}, 400)
    count = await calls.act(
        request, who, operations.redeliver_since, calls.hook_id(request), moment
    )
    return rendering.redirect(request, f"/webhooks/{hook['id']}?again={count}")


def _since(
    request: Request, hook: dict[str, Any], since: dict[str, str | None], status: int = 200
) -> Response:
    values = words.asked(hook, words.again_since(), "redeliver") | {"since": since}
    return rendering.page(request, "webhook_question", values, status)
