"""A webhook, and the log of its deliveries."""

from __future__ import annotations

from functools import partial

from fastapi import Request, Response

from tagsweep.producer.gateway.console import live, rendering, routing
from tagsweep.producer.gateway.console.presentation import delivery_log
from tagsweep.producer.gateway.console.presentation import webhooks as words
from tagsweep.producer.gateway.console.reading import webhooks
from tagsweep.producer.gateway.console.routes.webhooks import calls
from tagsweep.producer.gateway.console.visitors.access import Visitor

PAGE = 50

router = routing.router()


@router.get("/console/webhooks/{webhook_id}", **routing.query(*delivery_log.NAMES))
async def show(request: Request) -> Response:
    """Show a webhook and its deliveries, newest first."""
    who = await calls.visitor(request)
    return await live.page(request, who, partial(_page, request, who))


async def _page(request: Request, who: Visitor) -> Response:
    wanted = delivery_log.read(request.query_params)
    asked = (calls.hook_id(request), wanted.state, wanted.place, PAGE)
    log = await calls.read(request, who, webhooks.log, *asked)
    values = {
        "hook": log.hook,
        "log": log,
        "state": words.state(log.hook),
        "outcome": words.outcome,
        "wanted": wanted,
        "states": webhooks.STATES,
        "following": wanted.query(log.deliveries[-1]) if log.has_more else None,
    }
    return rendering.page(request, "webhook", values)
