"""A new clean-up: what it would do is shown first, and then it is run."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway.console import previewing, rendering, routing
from tagsweep.producer.gateway.console.presentation import cleanup, commands, questions
from tagsweep.producer.gateway.console.visitors import access

router = routing.router()


@router.get("/console/new", **routing.query("name", "kind", "drop"))
async def show(request: Request) -> Response:
    """Show the form."""
    who = await access.visitor(request, "preview", "write")
    previewing.check_tenant(who.caller)
    values = cleanup.prefilled(request.query_params, previewing.mapped())
    values["operator"] = who.caller.operator
    return rendering.page(request, "new", values)


@router.post("/console/new")
async def preview(request: Request) -> Response:
    """Preview the clean-up, and show what it would do."""
    who, form = await access.form(request, "preview", "write")
    body = await asyncio.to_thread(cleanup.body, form, previewing.mapped())
    job = await previewing.built(request, who.caller, body)
    found = await previewing.preview(request, who.caller, job, secrets.token_urlsafe(16))
    # whoever copies what was previewed changes no more than was shown
    guard = {"max_affected": found.changed} if found.job["status"] == "succeeded" else {}
    short = commands.shortened({**guard, **body})
    values: dict[str, Any] = {
        "preview": found,
        "command": commands.as_command(short, who.caller.tenant),
        "curl": commands.as_curl(short, rendering.gateway_url(request)),
        "body": commands.as_json(short),
        "left_out": commands.left_out(short),
        "large": found.changed >= questions.LARGE,
        "may_run": who.may(*questions.SCOPES["run"]),
    }
    return rendering.page(request, "preview", values)
