"""What people do with a webhook: switch it on and off, try it, delete it, each after a question."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.presentation import webhooks as words
from tagsweep.producer.gateway.console.routes.webhooks import calls
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.worker.webhooks import operations

PATH = "/console/webhooks/{webhook_id}/{action}"

#: by action: what is done, and with which body
_ACTIONS: dict[str, tuple[Any, ...]] = {
    "enable": (operations.change, {"enabled": True}),
    "disable": (operations.change, {"enabled": False}),
    "test": (operations.test,),
    "delete": (operations.remove,),
}

router = routing.router()


@router.get(PATH)
async def ask(request: Request) -> Response:
    """Ask before something is done, and say what it would lead to."""
    action = _action(request)
    who = await calls.visitor(request, "write")
    hook = await calls.hook(request, who)
    values = words.asked(hook, words.question(action, hook), action)
    return rendering.page(request, "webhook_question", values)


@router.post(PATH)
async def act(request: Request) -> Response:
    """Do it, and lead to the page that shows it."""
    action, wanted = _action(request), calls.hook_id(request)
    who, _ = await calls.form(request)
    operation, *body = _ACTIONS[action]
    await calls.act(request, who, operation, wanted, *body)
    return rendering.redirect(request, "/webhooks" if action == "delete" else f"/webhooks/{wanted}")


def _action(request: Request) -> str:
    action: str = request.path_params["action"]
    if action not in _ACTIONS:
        raise Refusal(404, "There is nothing at this path.")
    return action
