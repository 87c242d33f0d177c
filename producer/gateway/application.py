"""The application: its routes, and the answers if none fits or one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.openapi.utils import get_openapi
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tagsweep.producer.gateway import errors
from tagsweep.producer.gateway.access_log import Access
from tagsweep.producer.gateway.console import pages
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import examples, operations
from tagsweep.producer.gateway.routes import (
    audit,
    documentation,
    events,
    health,
    job_actions,
    jobs,
    query_parameters,
    receipts,
    resources,
    tag_deletion,
    tag_errors,
    tag_resources,
    tags,
)
from tagsweep.producer.gateway.routes.webhooks import deliveries, endpoints
from tagsweep.producer.gateway.routes.workspaces import changes, contract, finding, lists
from tagsweep.producer.gateway.state import Gateway
from tagsweep.worker.errors import InvalidJob, Retryable

#: the modules of the routes, and the heading under which the documentation shows them
MODULES = {
    tags: "Tags",
    tag_resources: "Tags",
    tag_deletion: "Tags",
    changes: "Tags of workspaces",
    lists: "Tags of workspaces",
    finding: "Tags of workspaces",
    jobs: "Jobs",
    job_actions: "Jobs",
    receipts: "Jobs",
    resources: "Resources",
    events: "Events",
    endpoints: "Webhooks",
    deliveries: "Webhooks",
    audit: "Audit",
    health: "Operation",
    documentation: "Documentation",
}
#: the shape of errors, by the beginning of the path
SHAPES = ((tag_errors.PREFIX, tag_errors.refuse), (contract.PREFIX, contract.refuse))


_ROUTES = [route for module in MODULES for route in module.router.routes]
_ROUTES += pages.ROUTES


def create(gateway: Gateway) -> ASGIApp:
    """Return the whole application around ``gateway``."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with gateway.running():
            yield

    mapped = resources.mapped()

    # FastAPI makes the routes and their document; its application would add layers to each call
    # for what no endpoint here asks of it
    app = Starlette(
        routes=[*_ROUTES, *mapped.routes, *_document_routes(mapped)],
        lifespan=lifespan,
        exception_handlers={
            Refusal: _refused,
            Retryable: _down,
            InvalidJob: _unknown,
            **dict.fromkeys(errors.JOB_ERRORS, _about_job),
            HTTPException: _unrouted,
            Exception: _faulty,
        },
    )
    app.router.redirect_slashes = False  # a client that is redirected repeats its POST as a GET
    app.state.gateway = gateway
    return Access(_ExactPaths(app), gateway.metrics)


def _document_routes(mapped: APIRouter) -> list[Route]:
    documented = APIRouter()
    for module, heading in MODULES.items():
        documented.include_router(module.router, tags=[heading])
    documented.include_router(mapped, tags=[MODULES[resources]])
    version = metadata.version("tagsweep")
    schema = examples.add(
        operations.complete(
            get_openapi(title="tagsweep", version=version, routes=documented.routes)
        )
    )

    async def shown(request: Request) -> Response:
        query_parameters.check(request, frozenset())
        return document(schema)

    return [Route(path, shown, methods=["GET"]) for path in ("/openapi.json", "/openapi.json/")]


class _ExactPaths:
    """Takes an encoded slash for a part of a name, and serves HEAD as GET without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"%2f" in scope.get("raw_path", b"").lower():
            refusal = Refusal(404, "There is nothing at this path.")
            response = _shaped(Request(scope), refusal)
            await response(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "HEAD":
            as_get = {**scope, "method": "GET"}  # the server leaves the body out
            await self._app(as_get, receive, send)
            scope["route"] = as_get.get("route")
        else:
            await self._app(scope, receive, send)


def _shaped(request: Request, refusal: Refusal) -> Response:
    for prefix, refuse in SHAPES:
        if request.scope["path"].startswith(prefix):
            return refuse(refusal)
    return errors.problem(refusal)


async def _refused(request: Request, error: Any) -> Response:
    return _shaped(request, error)


async def _down(request: Request, error: Any) -> Response:
    """Answer that a server is down and nothing was done."""
    request.app.state.gateway.log.warning("unavailable", reason=str(error))
    return _shaped(request, errors.down(error))


async def _unknown(request: Request, error: Any) -> Response:
    """Answer that a valid job names what is not in the store."""
    return _shaped(request, errors.unknown(error))


async def _about_job(request: Request, error: Any) -> Response:
    return _shaped(request, errors.about_job(error))


async def _faulty(request: Request, _: Any) -> Response:
    return _shaped(request, Refusal(500, "Something went wrong; the gateway's log says more."))


async def _unrouted(request: Request, error: Any) -> Response:
    if error.status_code not in (404, 405):
        return _shaped(request, Refusal(400, "The request cannot be understood."))
    allowed = sorted(_methods(request))
    if not allowed:
        return _shaped(request, Refusal(404, "There is nothing at this path."))
    if "GET" in allowed:
        allowed.append("HEAD")
    headers = {"Allow": ", ".join([*allowed, "OPTIONS"])}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    detail = f'Method "{request.method[:20]}" not allowed.'
    return _shaped(request, Refusal(405, detail, headers=headers))


def _methods(request: Request) -> set[str]:
    """Return the methods that exist at the request's path."""
    methods: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return methods
