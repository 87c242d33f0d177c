"""The keys of all tenants, for an admin: what each allows, when it was used, and its end."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.reading import keys
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.console.visitors.access import Visitor
from tagsweep.producer.gateway.errors import Refusal

NOT_ADMIN = "Keys are for an admin: sign in with an admin key."
NO_KEY = "There is no such key, or it was revoked before."

router = routing.router()


@router.get("/console/keys", **routing.query("tenant"))
async def show(request: Request) -> Response:
    """List the keys, of one tenant or of all."""
    _check(await access.visitor(request))
    tenant = request.query_params.get("tenant", "").strip()
    found = await state.of(request).store.run(keys.listed, tenant or None)
    return rendering.page(request, "keys", {"keys": found, "tenant": tenant})


@router.get("/console/keys/{key_id}/revoke")
async def ask(request: Request) -> Response:
    """Ask before a key is revoked."""
    _check(await access.visitor(request, "write"))
    key = await state.of(request).store.run(keys.one, _key_id(request))
    if key is None:
        raise Refusal(404, NO_KEY)
    return rendering.page(request, "revoke", {"key": key})


@router.post("/console/keys/{key_id}/revoke")
async def revoke(request: Request) -> Response:
    """Revoke a key; its sessions end with it."""
    who, _ = await access.form(request, "write")
    _check(who)
    by = who.caller.through("console")
    if not await state.of(request).store.run(keys.revoke, _key_id(request), by):
        raise Refusal(404, NO_KEY)
    return rendering.redirect(request, "/keys")


def _check(who: Visitor) -> None:
    if not who.caller.admin:
        raise Refusal(403, NOT_ADMIN)


def _key_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["key_id"])
    except ValueError:
        raise Refusal(404, NO_KEY) from None
