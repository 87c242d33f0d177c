"""Routes of the console: what they refuse is a page too, and every answer has the same headers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.console import rendering
from tagsweep.producer.gateway.console.visitors.origin import Origin
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.worker.errors import Retryable


class Route(query_parameters.Route):
    """A route of the console."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **{**options, "include_in_schema": False})

    async def _checked(self, request: Request) -> Response:
        try:
            _check(request)
            response = await super()._checked(request)
        except Refusal as refusal:
            response = _refused(request, refusal)
        except Retryable as error:
            response = rendering.refused(request, errors.down(error))
        except tuple(errors.JOB_ERRORS) as error:
            response = rendering.refused(request, errors.about_job(error))
        for name, value in rendering.HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def router() -> APIRouter:
    """Return a router of such routes."""
    return APIRouter(route_class=Route)


def _check(request: Request) -> None:
    """Raise Refusal unless there is a console, and the browser sees it under a name of its own."""
    Origin(request)
    if state.of(request).settings.console == "off":
        raise Refusal(404, "The console is switched off (TAGSWEEP_CONSOLE).")


def query(*names: str) -> dict[str, Any]:
    """Return the options of a route that has these query parameters."""
    described = [{"name": name, "in": "query"} for name in names]
    return {"openapi_extra": {"parameters": described}}


def _refused(request: Request, refusal: Refusal) -> Response:
    if refusal.status != 401:  # noqa: PLR2004  # nobody is signed in
        response = rendering.refused(request, refusal)
        response.headers.update(refusal.headers)
        return response
    return rendering.redirect(request, _sign_in_path(request))


def _sign_in_path(request: Request) -> str:
    """Return the path of the page for signing in, from which the browser comes back here."""
    if request.method != "GET" or rendering.is_partial(request):
        return "/sign-in"
    target = request.url.path.removeprefix("/console")
    here = target + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?next={quote(here, safe='/')}"
