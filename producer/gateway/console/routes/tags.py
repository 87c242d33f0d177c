"""The tags of a tenant, with how many links each has; and the search for one in a form."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import previewing, rendering, routing
from tagsweep.producer.gateway.console.reading import tags
from tagsweep.producer.gateway.console.visitors import access

PAGE, FOUND = 100, 8
#: fields of the form that hold one tag, and are searched from themselves
ONE = ("into",)

router = routing.router()


@router.get("/console/tags", **routing.query("name", "after"))
async def show(request: Request) -> Response:
    """List tags by name."""
    who = await access.visitor(request)
    previewing.check_tenant(who.caller)
    start = request.query_params.get("name", "").strip().removesuffix("*")
    after = request.query_params.get("after", "")
    found = await state.of(request).store.run(tags.page, who.caller.tenant, start, after, PAGE + 1)
    more = len(found) > PAGE
    query = urlencode({"name": start, "after": found[PAGE - 1].name}) if more else None
    values = {"tags": found[:PAGE], "name": start, "following": query, "counted": tags.COUNTED}
    return rendering.page(request, "tags", values)


@router.get("/console/tags/search", **routing.query("search", *ONE))
async def search(request: Request) -> Response:
    """Return the tags whose names begin with what was typed: to choose some, or to choose one."""
    who = await access.visitor(request)
    previewing.check_tenant(who.caller)
    field = next((name for name in ONE if name in request.query_params), "search")
    start = request.query_params.get(field, "").strip()
    store = state.of(request).store
    found = await store.run(tags.page, who.caller.tenant, start, "", FOUND) if start else []
    values = {"tags": found, "search": start, "counted": tags.COUNTED, "one": field in ONE}
    values["to"] = field if field in ONE else "names"
    return rendering.page(request, "tags_found", values)
