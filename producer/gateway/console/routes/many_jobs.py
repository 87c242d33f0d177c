"""Cancel, or retry, all jobs that a filter shows, after their number is typed."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request, Response

from tagsweep.producer.gateway.console import acting_on_many, rendering, routing
from tagsweep.producer.gateway.console.presentation import filters
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.errors import Refusal

NOT_TYPED = "Type the number {count} to confirm: that many jobs fit now. Nothing was done."

router = routing.router()


@router.get("/console/all/{action}", **routing.query(*filters.NAMES))
async def ask(request: Request) -> Response:
    """Ask before anything is done, and say to how many jobs."""
    who = await access.visitor(request, "write")
    given = filters.read(request.query_params)
    found = await acting_on_many.find(request, who.caller, given)
    values = {
        "action": request.path_params["action"],
        "count": len(found),
        "given": given,
        "query": urlencode(given),
    }
    return rendering.page(request, "confirm_all", values)


@router.post("/console/all/{action}")
async def act(request: Request) -> Response:
    """Do it, and lead back to the list."""
    who, form = await access.form(request, "write")
    given = filters.read({name: form.one(name) for name in filters.NAMES})
    found = await acting_on_many.find(request, who.caller, given)
    typed = form.one("typed").replace(",", "").replace(" ", "")
    if typed != str(len(found)):
        raise Refusal(400, NOT_TYPED.format(count=len(found)))
    await acting_on_many.act(request, who.caller, found)
    query = urlencode(given)
    return rendering.redirect(request, f"/jobs?{query}" if query else "/jobs")
