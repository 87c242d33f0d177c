"""Long lists, a page at a time: ``{count, next, previous, results}``, linked by opaque cursors.

A cursor names the last row of a page, not how many rows there are before: pages stay right while
rows come and go, and the thousandth costs what the first does. Whoever asks for pages by their
number (``page``, as Django REST Framework has it) gets links to numbers, with neither promise.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from tagsweep.producer.gateway.errors import Refusal

MOST = 1_000
#: digits of a page's number
MOST_DIGITS = 9
T = TypeVar("T")

#: what a list takes to be read page by page
QUERY: dict[str, Any] = {
    "cursor": {"type": "string"},
    "page": {"type": "integer", "minimum": 1, "maximum": 10**MOST_DIGITS - 1},
    "page_size": {"type": "integer", "minimum": 1, "maximum": MOST},
}


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
    number: int | None = None  #: None: the page is the one behind, or before, its cursor

    @property
    def offset(self) -> int:
        """How many rows are passed over first."""
        return (self.number - 1) * self.size if self.number else 0

    def answer(
        self, request: Request, count: int, rows: Sequence[T], place: Any, shown: Any
    ) -> dict[str, Any]:
        """Return the page as JSON.

        ``rows``: one more than the page has, if there are so many, in the order in which they were
        read; ``place`` and ``shown`` make of a row its place in the list and its JSON. Raises
        Refusal (404) for the number of a page that there is not.
        """
        more = len(rows) > self.size
        kept = list(rows[: self.size])
        if self.cursor.back:
            kept.reverse()
        if self.number is not None:
            after, before = self._numbers(request, empty=not kept, more=more)
        else:
            after, before = self._cursors(request, [place(row) for row in kept], more=more)
        results = [shown(row) for row in kept]
        return {"count": count, "next": after, "previous": before, "results": results}

    def _numbers(
        self, request: Request, *, empty: bool, more: bool
    ) -> tuple[str | None, str | None]:
        number = self.number or 1
        if empty and number > 1:
            raise Refusal(404, "Invalid page: there are fewer.")
        after = _link(request, "page", str(number + 1)) if more else None
        return after, _link(request, "page", str(number - 1)) if number > 1 else None

    def _cursors(
        self, request: Request, places: Sequence[str], *, more: bool
    ) -> tuple[str | None, str | None]:
        back = self.cursor.back
        following = places and (more or back)
        before = places and (more if back else self.cursor.place is not None)
        after = _link(request, "cursor", Cursor(places[-1]).text()) if following else None
        ahead = _link(request, "cursor", Cursor(places[0], back=True).text()) if before else None
        return after, ahead


def read(request: Request) -> Page:
    """Return the page that the request asks for; raises Refusal (400, or 404 where it is none)."""
    size = one(request, "page_size")
    if size is None:
        size = str(MOST)
    if not size.isascii() or not size.isdecimal() or not 1 <= int(size[:9]) <= MOST:
        raise Refusal(400, f"page_size must be a number from 1 to {MOST}.")
    number, cursor = one(request, "page"), one(request, "cursor")
    if number is not None and cursor:
        # no schema can say that two parameters exclude each other: so as for a page that is none
        raise Refusal(404, "Invalid page: give page or cursor, not both.")
    return Page(_cursor(cursor), int(size), None if number is None else _number(number))


def _number(text: str) -> int:
    usable = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    if not usable or int(text) < 1:
        raise Refusal(404, "Invalid page: pages are numbered from 1.")
    return int(text)


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


def _link(request: Request, name: str, value: str) -> str:
    given: Mapping[str, str] = dict(request.query_params)
    return str(request.url.replace(query=urlencode({**given, name: value})))
