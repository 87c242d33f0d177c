"""What the pages of webhooks have in common: who is there, what they read, and what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import previewing
from tagsweep.producer.gateway.console.reading import webhooks
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.console.visitors.access import Visitor
from tagsweep.producer.gateway.console.visitors.forms import Form
from tagsweep.producer.gateway.routes.webhooks import calling
from tagsweep.worker.webhooks.operations import Actor
from tagsweep.worker.webhooks.requests import DoneBefore

Shown = dict[str, Any]


async def visitor(request: Request, *scopes: str) -> Visitor:
    """Return who is signed in, with a key of a tenant and one of the scopes; raises Refusal."""
    who = await access.visitor(request, *scopes)
    previewing.check_tenant(who.caller)
    return who


async def form(request: Request) -> tuple[Visitor, Form]:
    """Return who has sent a form that changes something, and the form; raises Refusal."""
    who, sent = await access.form(request, "write")
    previewing.check_tenant(who.caller)
    return who, sent


def hook_id(request: Request) -> UUID:
    """Return the id of the webhook in the path; raises Refusal (404) if it is none."""
    return calling.webhook_id(request)


async def hook(request: Request, who: Visitor) -> Shown:
    """Return the webhook in the path; raises Refusal (404)."""
    found: Shown = await read(request, who, webhooks.one, hook_id(request))
    return found


async def read(request: Request, who: Visitor, step: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``step`` reads of the tenant's; raises Refusal (404)."""
    with calling.refusing():
        return await state.of(request).store.run(step, who.caller.tenant, *arguments)


async def act(
    request: Request, who: Visitor, operation: Callable[..., Any], *arguments: Any
) -> Any:
    """Return what ``operation`` does, which is on record; raises Refusal."""
    actor = Actor(who.caller.tenant, who.caller.through("console"))
    return await calling.done(state.of(request), operation, actor, *arguments)


async def act_once(
    request: Request, who: Visitor, operation: Callable[..., Any], *arguments: Any
) -> Shown | None:
    """Return the same; None if the form has done it before. Raises Refusal."""
    try:
        done: Shown = await act(request, who, operation, *arguments)
    except DoneBefore:
        return None
    return done
