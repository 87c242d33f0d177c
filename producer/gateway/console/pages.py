"""All routes of the console."""

from __future__ import annotations

from fastapi import Request, Response

from tagsweep.producer.gateway.console import routing
from tagsweep.producer.gateway.console.routes import (
    assets,
    audit,
    cleanup,
    job_controls,
    job_list,
    job_page,
    keys,
    many_jobs,
    overview,
    receipt_files,
    sign_in,
    stream,
    tag_names,
    tags,
    webhooks,
)
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.errors import Refusal

router = routing.router()


@router.get("/console/{path:path}")
async def nothing(request: Request) -> Response:
    """Refuse a path that is not there: to people who are signed in, as a page."""
    await access.visitor(request)
    raise Refusal(404, "There is nothing at this path.")


_MODULES = (
    keys,
    audit,
    many_jobs,
    cleanup,
    tag_names,
    tags,
    assets,
    sign_in,
    stream,
    overview,
    job_list,
    job_page,
    receipt_files,
    job_controls,
)
ROUTES = [
    route for module in (*_MODULES, *webhooks.MODULES) for route in module.router.routes
] + router.routes
