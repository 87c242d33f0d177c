"""Who looks at the console: a browser's session, and the forms that it may send."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth import sessions
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.auth.sessions import Lifetime, Session
from tagsweep.producer.gateway.console.visitors import forms
from tagsweep.producer.gateway.console.visitors.forms import Form
from tagsweep.producer.gateway.console.visitors.origin import Origin
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.worker import database
from tagsweep.worker.settings import Settings

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

    Raises Refusal: 401 if nobody is, 403 without the scope, 429 if the tenant asks too often.
    """
    gateway = state.of(request)
    caller, token, is_noted = await _signed_in(request)
    if caller is None:
        raise Refusal(401, SIGN_IN)
    if not is_noted and LIVE not in request.headers:
        gateway.later(gateway.store.run(_note_use, token))
    gateway.admit(request, caller, *(scopes or ("read",)))
    read_only = gateway.settings.console == "read-only"
    found = request.state.visitor = Visitor(caller, csrf_of(token), read_only)
    return found


async def is_signed_in(request: Request) -> bool:
    """Return whether the session of the request is still good."""
    return (await _signed_in(request))[0] is not None


async def _signed_in(request: Request) -> tuple[Caller | None, str, bool]:
    """Return who is signed in, the token of the session, and whether its use was just noted."""
    gateway = state.of(request)
    token = request.cookies.get(Origin(request).cookie, "")
    lifetime = lifetime_of(gateway.settings)
    session = await gateway.store.run(_find, token, lifetime) if token else None
    if session is None:
        return None, token, True
    return await gateway.callers.by_credential(session.credential), token, session.noted


async def form(request: Request, *scopes: str) -> tuple[Visitor, Form]:
    """Return who has sent a form, and the form; raises Refusal as ``visitor`` does, and 403."""
    who = await visitor(request, *scopes)
    if who.read_only:
        raise Refusal(403, READ_ONLY)
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


def lifetime_of(settings: Settings) -> Lifetime:
    """Return how long sessions last."""
    idle = timedelta(minutes=settings.session_idle_minutes)
    return Lifetime(idle, timedelta(hours=settings.session_hours))


def _find(token: str, lifetime: Lifetime) -> Session | None:
    with database.reading() as connection:
        return sessions.find(connection, token, lifetime)


def _note_use(token: str) -> None:
    with database.transaction() as connection:
        sessions.note_use(connection, token)
