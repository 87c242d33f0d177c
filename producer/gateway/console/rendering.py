"""Pages from templates, and the headers of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from tagsweep.producer.gateway.console.presentation import questions, wording
from tagsweep.producer.gateway.console.visitors.origin import CONSOLE, Origin
from tagsweep.producer.gateway.errors import TITLES, Refusal

HEADERS = {
    # no inline script and no inline style; nothing from another host
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    # a page tells our refusals by it from those of a proxy
    "X-Console": "tagsweep",
}

PAGES = Environment(
    loader=PackageLoader("tagsweep.producer.gateway.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.filters.update(wording.FILTERS)


#: the pages: their paths, what they are called, who does not see them, and the scopes of which one
#: is needed
NAV = (
    ("/", "Overview", None, ()),
    ("/jobs", "Jobs", None, ()),
    ("/new", "New clean-up", "admin", ("preview", "write")),
    ("/tags", "Tags", "admin", ()),
    ("/webhooks", "Webhooks", "admin", ()),
    ("/audit", "Audit", None, ()),
    ("/keys", "Keys", "tenant", ()),
)


def _nav(visitor: Any) -> list[tuple[str, str]]:
    """Return the pages that a visitor can open."""
    own = "admin" if visitor.caller.admin else "tenant"
    return [
        (path, name)
        for path, name, hidden_from, scopes in NAV
        if hidden_from != own and (not scopes or visitor.may(*scopes))
    ]


def _is_here(path: str, target: str) -> bool:
    """Return whether the page at ``path`` is the one at ``target``, or one below it."""
    own = CONSOLE + target
    return path == own or (target != "/" and path.startswith(own + "/"))


PAGES.globals.update(nav=_nav, is_here=_is_here, scopes=questions.SCOPES)


def page(
    request: Request, template: str, values: Mapping[str, Any] | None = None, status: int = 200
) -> Response:
    """Return a page; to htmx, only the part of it that the template marks as ``content``."""
    found = PAGES.get_template(f"{template}.html")
    about = {
        "console": Origin(request).console,
        "path": request.url.path,
        "visitor": getattr(request.state, "visitor", None),
        "partial": is_partial(request),
    }
    return Response(found.render({**about, **(values or {})}), status, media_type="text/html")


def gateway_url(request: Request) -> str:
    """Return the URL of the gateway, as whoever sees this page reaches it."""
    return Origin(request).gateway


def is_partial(request: Request) -> bool:
    """Return whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def redirect(request: Request, path: str) -> Response:
    """Lead the browser to a page of the console."""
    target = Origin(request).console + path
    if is_partial(request):
        return Response(status_code=204, headers={"HX-Redirect": target})
    return Response(status_code=303, headers={"Location": target})


def refused(request: Request, refusal: Refusal) -> Response:
    """Return the page that says why the request was refused; to htmx, only its words."""
    try:
        template = "notice" if is_partial(request) else "refused"
        values = {"title": TITLES[refusal.status], "refusal": refusal}
        response = page(request, template, values, refusal.status)
    except Refusal:  # the very host name is refused: there is no page to show to it
        return Response(refusal.detail, refusal.status, media_type="text/plain")
    if is_partial(request):
        response.headers.update({"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"})
    return response
