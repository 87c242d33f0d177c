"""The webhooks of a tenant, and the secret of its callbacks."""

from __future__ import annotations

from functools import partial

from fastapi import Request, Response

from tagsweep.producer.gateway.console import live, rendering, routing
from tagsweep.producer.gateway.console.presentation import webhooks as words
from tagsweep.producer.gateway.console.reading import webhooks
from tagsweep.producer.gateway.console.routes.webhooks import calls
from tagsweep.producer.gateway.console.visitors.access import Visitor
from tagsweep.worker.webhooks import signing

router = routing.router()


@router.get("/console/webhooks")
async def show(request: Request) -> Response:
    """List the webhooks: there are at most 100."""
    who = await calls.visitor(request)
    return await live.page(request, who, partial(_page, request, who))


async def _page(request: Request, who: Visitor) -> Response:
    found = await calls.read(request, who, webhooks.listed)
    values = {"found": found, "missing": signing.without_key(), "state_of": words.state}
    return rendering.page(request, "webhooks", values)
