"""A webhook is made, or changed: where it sends, and what it is for."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.presentation import webhooks as words
from tagsweep.producer.gateway.console.routes.webhooks import calls
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.submission import job_request
from tagsweep.worker.webhooks import operations

NEW, CHANGE = "/console/webhooks/new", "/console/webhooks/{webhook_id}/change"
MADE_BEFORE = (
    "The webhook was made then, and its secret shown. If nobody has noted it, the page of the "
    "webhook makes a new one."
)

Values = dict[str, Any]

router = routing.router()


@router.get(NEW)
async def ask_new(request: Request) -> Response:
    """Ask what a new webhook is to be."""
    await calls.visitor(request, "write")
    return _form(request, {"hook": None, "given": words.NOTHING, "token": token_urlsafe()})


@router.post(NEW)
async def make(request: Request) -> Response:
    """Make a webhook, and show its secret; the form, sent again, makes no other."""
    who, sent = await calls.form(request)
    body, token = words.wanted(sent), sent.one("token")
    made_as = job_request.id_of_form(who.caller, token)
    own = {"path": f"/webhooks/{made_as}", "title": "The webhook is made"}
    try:
        made = await calls.act_once(request, who, operations.create, body, made_as)
    except Refusal as refusal:
        return _form(request, {"hook": None, "given": body, "token": token}, refusal)
    if made is None:
        return rendering.page(request, "webhook_secret", own | {"sent": MADE_BEFORE}, 409)
    return rendering.page(request, "webhook_secret", own | {"secret": made["secret"]})


@router.get(CHANGE)
async def ask_change(request: Request) -> Response:
    """Ask what is to change of a webhook."""
    who = await calls.visitor(request, "write")
    hook = await calls.hook(request, who)
    return _form(request, {"hook": hook, "given": hook})


@router.post(CHANGE)
async def change(request: Request) -> Response:
    """Change a webhook, and lead to its page."""
    who, sent = await calls.form(request)
    hook = await calls.hook(request, who)
    body = words.wanted(sent)
    try:
        await calls.act(request, who, operations.change, calls.hook_id(request), body)
    except Refusal as refusal:
        return _form(request, {"hook": hook, "given": body}, refusal)
    return rendering.redirect(request, f"/webhooks/{hook['id']}")


def _form(request: Request, values: Values, refusal: Refusal | None = None) -> Response:
    """Return the form, with what was typed, and what is wrong beside its field."""
    wrong = refusal.errors if refusal else []
    faults = {error["path"].split("/")[1]: error["reason"] for error in wrong}
    own: Values = {"choices": words.CHOICES, "refusal": refusal}
    own["faults"] = {**dict.fromkeys(words.NOTHING), **faults}
    status = refusal.status if refusal else 200
    return rendering.page(request, "webhook_form", own | values, status)
