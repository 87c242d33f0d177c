"""The first page: what runs now, and what came last."""

from __future__ import annotations

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.reading import lists
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.worker.jobs.inspection.listing import Wanted

MOST_RUNNING, RECENT = 50, 10

router = routing.router()


@router.get("/console")
async def without_slash(request: Request) -> Response:
    """Lead to the page."""
    return rendering.redirect(request, "/")


@router.get("/console/")
async def show(request: Request) -> Response:
    """Show what runs, and the newest jobs."""
    who = await access.visitor(request)
    tenant = None if who.caller.admin else who.caller.tenant
    store = state.of(request).store
    running = await store.run(lists.running, tenant, MOST_RUNNING)
    _, recent = await store.run(lists.listed, Wanted(tenant), None, RECENT)
    return rendering.page(request, "overview", {"running": running, "recent": recent})
