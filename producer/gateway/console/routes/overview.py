"""The first page: what runs now, what came last, and how much is done; for an admin, by whom."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import checkup, live, rendering, routing
from tagsweep.producer.gateway.console.presentation.chart import Chart
from tagsweep.producer.gateway.console.reading import overview
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.console.visitors.access import Visitor

router = routing.router()


@router.get("/console")
async def without_slash(request: Request) -> Response:
    """Lead to the page."""
    return rendering.redirect(request, "/")


@router.get("/console/")
async def show(request: Request) -> Response:
    """Show what runs, the newest jobs, and the last hour."""
    who = await access.visitor(request)
    return await live.page(request, who, partial(_page, request, who))


async def _page(request: Request, who: Visitor) -> Response:
    tenant = None if who.caller.admin else who.caller.tenant
    gateway = state.of(request)
    found = await gateway.store.run(overview.read, tenant)
    values: dict[str, Any] = {"overview": found, "chart": Chart(found.hour)}
    if who.caller.admin:
        values["checkup"] = await checkup.last(gateway)
        values["messages"] = await checkup.messages(gateway)
    return rendering.page(request, "overview", values)
