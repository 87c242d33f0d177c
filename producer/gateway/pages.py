"""Long lists, a page at a time: ``{count, next, previous, results}``, linked by opaque cursors.

A cursor names the last row of a page, not how many rows there are before: pages stay right while
rows come and go, and the thousandth costs what the first does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from producer.gateway.refusals import Refusal

MOST = 1_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: behind, or before, the row at ``place``."""

    place: str | None = None  #: None: at the beginning
    back: bool = False

    def text(self) -> str:
        """Return it as it stands in a link."""
        marked = ("<" if self.back else ">") + (self.place or "")
        return base64.urlsafe_b64encode(marked.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list is asked for."""

    cursor: Cursor
    size: int

    def answer(
        self, request: Request, count: int, rows: Sequence[T], place: Any, shown: Any
    ) -> dict[str, Any]:
        """Return the page as JSON.

        ``rows``: one more than the page has, if there are so many, in the order in which they were
        read; ``place`` and ``shown`` make of a row its place in the list and its JSON.
        """
        more = len(rows) > self.size
        kept = list(rows[: self.size])
        back = self.cursor.back
        if back:
            kept.reverse()
        following = kept and (more or back)
        before = kept and (more if back else self.cursor.place is not None)
        after = Cursor(place(kept[-1])) if following else None
        ahead = Cursor(place(kept[0]), back=True) if before else None
        return {
            "count": count,
            "next": after and _link(request, after),
            "previous": ahead and _link(request, ahead),
            "results": [shown(row) for row in kept],
        }


def read(request: Request) -> Page:
    """Return the page that the request asks for; raises Refusal (400)."""
    size = one(request, "page_size")
    if size is None:
        size = str(MOST)
    if not size.isascii() or not size.isdecimal() or not 1 <= int(size[:9]) <= MOST:
        raise Refusal(400, f"page_size must be a number from 1 to {MOST}.")
    return Page(_cursor(one(request, "cursor")), int(size))


def one(request: Request, name: str) -> str | None:
    """Return the query parameter ``name``; raises Refusal (400) where it is repeated."""
    given = request.query_params.getlist(name)
    if len(given) > 1:
        raise Refusal(400, f"{name} may be given only once.")
    return given[0] if given else None


def _cursor(text: str | None) -> Cursor:
    if not text:
        return Cursor()
    try:
        marked = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        place = marked.decode("ascii")
    except (ValueError, binascii.Error):
        raise invalid_cursor() from None
    if place[:1] not in ("<", ">") or not place[1:]:
        raise invalid_cursor()
    return Cursor(place[1:], place[0] == "<")


def invalid_cursor() -> Refusal:
    """Return the refusal of a cursor that we have not made."""
    return Refusal(404, "Invalid cursor: follow the links next and previous.")


def _link(request: Request, cursor: Cursor) -> str:
    given: Mapping[str, str] = dict(request.query_params)
    return str(request.url.replace(query=urlencode({**given, "cursor": cursor.text()})))
