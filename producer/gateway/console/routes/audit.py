"""Who did what: with jobs, keys and the rest, of the tenant or, for an admin, of all."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.presentation import audit_filters, filters
from tagsweep.producer.gateway.console.reading import audit
from tagsweep.producer.gateway.console.visitors import access

PAGE = 50

router = routing.router()


@router.get("/console/audit", **routing.query(*audit_filters.NAMES, "after"))
async def show(request: Request) -> Response:
    """List what people did, newest first."""
    who = await access.visitor(request)
    given = filters.read(request.query_params, audit_filters.NAMES)
    after = request.query_params.get("after")
    wanted, place = audit_filters.wanted(given, who.caller), filters.place(after)
    page = await state.of(request).store.run(audit.read, wanted, place, PAGE)
    values: dict[str, Any] = {
        "page": page,
        "given": {name: given.get(name, "") for name in audit_filters.NAMES},
        "query": urlencode(given),
        "after": after,
        "actions": audit_filters.CHOICES["action"],
        "scanned": audit.SCANNED,
        "following": page.next_place and filters.query(given, page.next_place),
    }
    return rendering.page(request, "audit", values)
