"""The page of a job: how far it is, what became of its items, and what can be done about it."""

from __future__ import annotations

import json
from functools import partial
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import live, rendering, routing
from tagsweep.producer.gateway.console.presentation import commands, filters
from tagsweep.producer.gateway.console.reading import job as jobs
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.console.visitors.access import Visitor

router = routing.router()


@router.get("/console/jobs/{job_id}", **routing.query("chunks"))
async def show(request: Request) -> Response:
    """Show a job."""
    who = await access.visitor(request)
    return await live.page(request, who, partial(_page, request, who))


async def _page(request: Request, who: Visitor) -> Response:
    tenant = None if who.caller.admin else who.caller.tenant
    stretch = filters.stretch(request.query_params.get("chunks"))
    job_id = request.path_params["job_id"]
    values = await state.of(request).store.run(jobs.page, job_id, tenant, stretch)
    job, event = values["job"], values["event"]
    request.state.account.job = UUID(job["id"])
    body = commands.body(job, values["lists"])
    values |= {
        "stretch": stretch,
        "command": commands.as_command(body, job["tenant"]),
        "curl": commands.as_curl(body, rendering.gateway_url(request)),
        "body": commands.as_json(body),
        "left_out": commands.left_out(body),
        "event_text": json.dumps(event, indent=2) if event else None,
    }
    return rendering.page(request, "job", values)
