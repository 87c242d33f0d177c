"""Sign in with a key of the gateway or with a one-time link, and sign out."""

from __future__ import annotations

import secrets

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.console import rendering, routing
from tagsweep.producer.gateway.console.visitors import access, signing_in
from tagsweep.producer.gateway.console.visitors.origin import Origin
from tagsweep.producer.gateway.errors import Refusal

WRONG_KEY = "This key is not valid. `tagsweep keys create` makes one."
USED_LINK = "This link has been used, or is older than ten minutes. Sign in with a key."
#: where a browser goes that came for no page
HOME = "/"

router = routing.router()


@router.get("/console/sign-in", **routing.query("next"))
async def show(request: Request) -> Response:
    """Show the form; it belongs to a cookie that stands for nobody yet."""
    target = _next(request.query_params.get("next"))
    if _follows_foreign_link(request):
        return rendering.page(request, "reload", {"next": target})
    cookie = Origin(request).cookie
    token = request.cookies.get(cookie) or secrets.token_urlsafe(32)
    values = {"csrf": access.csrf_of(token), "next": target}
    response = rendering.page(request, "sign_in", values)
    if cookie not in request.cookies:
        _set(request, response, token)
    return response


@router.post("/console/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session for whoever sends a valid key."""
    gateway = state.of(request)
    with gateway.sign_ins.attempt(_address(request)) as attempt:
        form = await access.checked(request, _anonymous(request))
        try:
            caller = await gateway.callers.by_key(form.one("key"))
        except Refusal as expired:
            await gateway.store.run(signing_in.note_failure, form.one("key"), _address(request))
            raise Refusal(403, expired.detail) from None
        if caller is None:
            await gateway.store.run(signing_in.note_failure, form.one("key"), _address(request))
            raise Refusal(403, WRONG_KEY)
        attempt.succeeded = True
    return await _begin(request, caller, form.one("next"))


@router.post("/console/link")
async def follow_link(request: Request) -> Response:
    """Begin a session for whoever sends the token of a one-time link."""
    gateway = state.of(request)
    with gateway.sign_ins.attempt(_address(request)) as attempt:
        form = await access.checked(request, _anonymous(request))
        credential = await gateway.store.run(signing_in.use_link, form.one("token"))
        caller = await gateway.callers.by_credential(credential) if credential else None
        if caller is None:
            raise Refusal(403, USED_LINK)
        attempt.succeeded = True
    return await _begin(request, caller, form.one("next"))


@router.post("/console/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    who = await access.visitor(request)
    await access.checked(request, who.csrf)
    origin = Origin(request)
    gateway = state.of(request)
    await gateway.store.run(signing_in.end, request.cookies[origin.cookie], who.caller)
    gateway.sessions.forget()
    response = rendering.redirect(request, "/sign-in")
    response.delete_cookie(origin.cookie, path=_path(origin))
    return response


async def _begin(request: Request, caller: Caller, target: str) -> Response:
    """Begin a session under a new token: what the browser had before is worth nothing."""
    gateway = state.of(request)
    before = request.cookies.get(Origin(request).cookie, "")
    asked = (before, caller, gateway.sessions.lifetime, _address(request))
    token = await gateway.store.run(signing_in.begin, *asked)
    gateway.sessions.forget()
    response = rendering.redirect(request, _next(target))
    _set(request, response, token)
    return response


def _set(request: Request, response: Response, token: str) -> None:
    origin = Origin(request)
    response.set_cookie(
        origin.cookie,
        token,
        path=_path(origin),
        secure=origin.is_secure,
        httponly=True,
        samesite="strict",
    )


def _path(origin: Origin) -> str:
    return "/" if origin.is_secure else origin.console  # __Host- allows no other


def _anonymous(request: Request) -> str:
    """Return what the form for signing in has; raises Refusal (403) if it was not loaded before."""
    token = request.cookies.get(Origin(request).cookie)
    if not token:
        raise Refusal(403, access.FOREIGN_FORM)
    return access.csrf_of(token)


def _next(target: str | None) -> str:
    """Return the page to go to: of this console, whatever the address says."""
    is_ours = target and target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if target and is_ours and target.isprintable() else HOME


def _follows_foreign_link(request: Request) -> bool:
    """Return whether a link on another site led here, so that the browser kept the cookie back.

    When the page loads itself anew, the cookie comes with it.
    """
    return request.headers.get("sec-fetch-site") == "cross-site" and not request.cookies


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
