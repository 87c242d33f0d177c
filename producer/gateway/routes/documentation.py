"""Where people begin: the way to the console, and the API with examples to try."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from fastapi import Request, Response
from starlette.responses import FileResponse, RedirectResponse

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.requests import negotiation
from tagsweep.producer.gateway.routes import query_parameters

STATIC = Path(__file__).parents[1] / "static"
#: what the pages load, by the name under /docs/
ASSETS = {
    "docs.js": STATIC / "docs.js",
    "swagger-ui-bundle.js": STATIC / "swagger-ui" / "swagger-ui-bundle.js",
    "swagger-ui.css": STATIC / "swagger-ui" / "swagger-ui.css",
}
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}
#: nothing inline, and nothing from another host; Swagger UI has its icons in data URLs
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
HOME = {
    "name": "tagsweep",
    "description": "Takes tags off resources as background jobs",
    "version": metadata.version("tagsweep"),
    "console": "/console/",
    "documentation": "/docs",
    "openapi": "/openapi.json",
}

router = query_parameters.router()


@router.get("/", include_in_schema=False)
async def home(request: Request) -> Response:
    """Lead a browser to the console; say to anybody else in JSON what this is."""
    if negotiation.preferred(request, ("application/json", "text/html")) == "text/html":
        off = state.of(request).settings.console == "off"
        return RedirectResponse("docs" if off else "console/", 303, {"Vary": "Accept"})
    return document(HOME, headers={"Vary": "Accept"})


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:  # noqa: ARG001  # it is always the same
    """Return the page that shows the API."""
    return _page("docs.html")


@router.get("/docs/", include_in_schema=False)
async def docs_with_slash(request: Request) -> Response:  # noqa: ARG001  # as above
    """Lead to the page, whose links are relative: a proxy may serve it below a prefix."""
    return RedirectResponse("../docs", 308)


@router.get("/docs/{name}", include_in_schema=False)
async def asset(request: Request) -> Response:
    """Return a script or style sheet of the pages."""
    path = ASSETS.get(request.path_params["name"])
    if path is None:
        raise Refusal(404, "There is nothing at this path.")
    return FileResponse(
        path,
        media_type=MEDIA_TYPES[path.suffix],
        headers={**HEADERS, "Cache-Control": "public, max-age=3600"},
    )


def _page(name: str) -> Response:
    headers = {**HEADERS, "Cache-Control": "no-cache", "Vary": "Accept"}
    return FileResponse(STATIC / name, media_type="text/html", headers=headers)
