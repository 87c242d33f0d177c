"""Who looks at the console: a browser's session, and the forms that it may send."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth import sessions
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.console.visitors import forms
from tagsweep.producer.gateway.console.visitors.forms import Form
from tagsweep.producer.gateway.console.visitors.origin import Origin
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.worker import database

SIGN_IN = "Sign in to see this page."
FOREIGN_FORM = "The form is not one of this session. Load the page anew and send it again."
READ_ONLY = "The console is read-only here (TAGSWEEP_CONSOLE)."
#: a request by which a page keeps itself up to date: nobody has done anything
LIVE = "x-live"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in."""

    caller: Caller
    csrf: str  #: every form of the session has it
    read_only: bool

    def may(self, *scopes: str) -> bool:
        """Return whether the key has one of the scopes; in a read-only console, none that acts."""
        return not self.read_only and not self.caller.scopes.isdisjoint(scopes)


async def visitor(request: Request, *scopes: str) -> Visitor:
    """Return who is signed in, with one of the scopes; ``read`` by default.

    Raises Refusal: 401 if nobody is, 403 without the scope, or, if one is named, where the console
    is read-only; 429 if the tenant asks too often.
    """
    gateway = state.of(request)
    caller, token, is_noted = await _signed_in(request, is_live=is_live(request))
    if caller is None:
        raise Refusal(401, SIGN_IN)
    if not is_noted and not is_live(request):
        gateway.later(gateway.store.run(_note_use, token))
    gateway.admit(request, caller, *(scopes or ("read",)))
    read_only = gateway.settings.console == "read-only"
    if read_only and scopes:
        raise Refusal(403, READ_ONLY)
    found = request.state.visitor = Visitor(caller, csrf_of(token), read_only)
    return found


def is_live(request: Request) -> bool:
    """Return whether a page asks for a part of it anew, by itself."""
    return LIVE in request.headers and "hx-request" in request.headers


async def is_signed_in(request: Request) -> bool:
    """Return whether the session of the request, which has a stream, is still good."""
    return (await _signed_in(request, is_live=True))[0] is not None


def token_of(request: Request) -> str:
    """Return the token of the browser's session; empty if it has none."""
    return request.cookies.get(Origin(request).cookie, "")


async def _signed_in(request: Request, *, is_live: bool) -> tuple[Caller | None, str, bool]:
    """Return who is signed in, the token of the session, and whether its use was just noted."""
    gateway = state.of(request)
    token = token_of(request)
    find = gateway.sessions.recall if is_live else gateway.sessions.find
    session = await find(token) if token else None
    if session is None:
        return None, token, True
    return await gateway.callers.by_credential(session.credential), token, session.noted


async def form(request: Request, *scopes: str) -> tuple[Visitor, Form]:
    """Return who has sent a form, and the form; raises Refusal as ``visitor`` does, and 403."""
    who = await visitor(request, *scopes)
    return who, await checked(request, who.csrf)


async def checked(request: Request, csrf: str) -> Form:
    """Return the form; raises Refusal (403) unless a page of this session has sent it."""
    Origin(request).check_sender(request)
    sent = await forms.read(request)
    if not hmac.compare_digest(sent.one("csrf").encode(), csrf.encode()):
        raise Refusal(403, FOREIGN_FORM)
    return sent


def csrf_of(token: str) -> str:
    """Return what the forms of a session have; it does not tell the session's token."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _note_use(token: str) -> None:
    with database.transaction() as connection:
        sessions.note_use(connection, token)
