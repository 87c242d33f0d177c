"""New secrets, of a webhook and of callbacks: shown once, in the answer to the form."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.presentation import webhooks as words
from tagsweep.producer.gateway.console.reading import webhooks
from tagsweep.producer.gateway.console.routes.webhooks import calls
from tagsweep.worker.webhooks import operations

CALLBACKS = "/console/webhooks/callbacks/rotate"
ONE = "/console/webhooks/{webhook_id}/rotate"
ROTATED = (
    "The secret is not the one any more that this form was to replace: perhaps the form was sent "
    "before. Nothing was done. If nobody has noted the new one, make another."
)

router = routing.router()


@router.get(CALLBACKS)
async def ask_for_callbacks(request: Request) -> Response:
    """Ask before the callback secret is made, or replaced."""
    who = await calls.visitor(request, "write")
    secret = await calls.read(request, who, webhooks.callback_secret)
    values = {
        "question": words.callback_secret(secret.version, secret.old_until),
        "about": "Callbacks of jobs",
        "back": "/webhooks",
        "target": "/webhooks/callbacks/rotate",
        "replaced": secret.version,
    }
    return rendering.page(request, "webhook_question", values)


@router.post(CALLBACKS)
async def rotate_callbacks(request: Request) -> Response:
    """Make a new callback secret, and show it."""
    return await _rotated(request, None, "/webhooks")


@router.get(ONE)
async def ask(request: Request) -> Response:
    """Ask before a webhook gets a new secret."""
    who = await calls.visitor(request, "write")
    hook = await calls.hook(request, who)
    secret = hook["secret"]
    values = words.asked(hook, words.new_secret(secret.old_until), "rotate")
    values |= {"replaced": secret.version}
    return rendering.page(request, "webhook_question", values)


@router.post(ONE)
async def rotate(request: Request) -> Response:
    """Give a webhook a new secret, and show it."""
    wanted = calls.hook_id(request)
    return await _rotated(request, wanted, f"/webhooks/{wanted}")


async def _rotated(request: Request, wanted: UUID | None, path: str) -> Response:
    """Replace the secret that the form names, and show the new one; the form does it once."""
    who, sent = await calls.form(request)
    own = {"path": path, "title": "The new secret"}
    replaced = sent.one("replaced")
    made = await calls.act_once(request, who, operations.rotate, wanted, {}, replaced)
    if made is None:
        return rendering.page(request, "webhook_secret", own | {"sent": ROTATED}, 409)
    return rendering.page(request, "webhook_secret", own | {"secret": made["secret"]})
