"""A route that refuses unknown query parameters: a misspelt filter must not be ignored."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from tagsweep.producer.gateway.errors import Refusal

#: by endpoint: a path with a trailing slash and one without have the same parameters
_known: dict[Callable[..., Any], frozenset[str]] = {}


class Route(APIRoute):
    """A route whose query parameters are those in its part of the schema.

    Its endpoint takes the request and nothing else, so it is called without FastAPI's search for
    what else an endpoint may want, which costs a small call as much time as reading its body.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        described = (self.openapi_extra or {}).get("parameters", [])
        names = frozenset(each["name"] for each in described if each["in"] == "query")
        _known[endpoint] = _known.get(endpoint, frozenset()) | names
        # what it raises is handled by the application, once: Starlette's own wrapper of an endpoint
        # would look for a handler first, at a cost for each call
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._checked(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _checked(self, request: Request) -> Response:
        if request.scope["query_string"]:
            check(request, _known[self.endpoint])
        response: Response = await self.endpoint(request)
        return response


def router() -> APIRouter:
    """Return a router of such routes."""
    return APIRouter(route_class=Route)


def check(request: Request, known: frozenset[str]) -> None:
    """Raise Refusal (400) if the request has a query parameter that is not ``known``."""
    for name in request.query_params:
        if name not in known:
            shown = name[:60].encode("ascii", "backslashreplace").decode()
            raise Refusal(400, f'Unknown query parameter "{shown}". {_advice(name, known)}')


def _advice(name: str, known: frozenset[str]) -> str:
    if not known:
        return "There are none here."
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known here: {', '.join(sorted(known))}."


def among(request: Request, name: str, known: Collection[str]) -> set[str]:
    """Return which of ``known`` a parameter lists, by default all; raises Refusal (400)."""
    given = request.query_params.getlist(name)
    wanted = {one for text in given for one in text.split(",")}
    if wanted - {*known}:
        raise Refusal(400, f"{name} must be one or more of {', '.join(known)}.")
    return wanted or {*known}
