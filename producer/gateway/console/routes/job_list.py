"""The list of jobs."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import live, rendering, routing
from tagsweep.producer.gateway.console.presentation import filters
from tagsweep.producer.gateway.console.reading import lists
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.console.visitors.access import Visitor

PAGE = 50

router = routing.router()


@router.get("/console/jobs", **routing.query(*filters.NAMES, "after"))
async def show(request: Request) -> Response:
    """List jobs, newest first."""
    who = await access.visitor(request)
    return await live.page(request, who, partial(_page, request, who))


async def _page(request: Request, who: Visitor) -> Response:
    given = filters.read(request.query_params)
    after = request.query_params.get("after")
    wanted, place = filters.wanted(given, who.caller), filters.place(after)
    page, jobs = await state.of(request).store.run(lists.listed, wanted, place, PAGE)
    has_more = page.count > len(jobs) and bool(jobs)
    values: dict[str, Any] = {
        "jobs": jobs,
        "page": page,
        "given": {name: given.get(name, "") for name in filters.NAMES},
        "after": after,
        "query": urlencode(given),
        "choices": filters.CHOICES,
        "scanned": lists.SCANNED,
        "following": filters.query(given, page.next_place) if has_more else None,
        "further": page.stopped_at and filters.query(given, page.stopped_at),
    }
    return rendering.page(request, "jobs", values)
