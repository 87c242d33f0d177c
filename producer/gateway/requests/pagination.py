"""Long lists, a page at a time: ``{count, next, previous, results}``, linked by opaque cursors.

A cursor names the last row of a page, not how many rows precede it: pages stay correct while rows
come and go, and the thousandth costs what the first does. A client that asks for pages by number
(``page``, as in Django REST Framework) gets links to numbers, without either promise.
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

MAX_PAGE = 1_000
#: digits of a page number
MAX_DIGITS = 9
T = TypeVar("T")

#: the query parameters of a paged list
QUERY: dict[str, Any] = {
    "cursor": {"type": "string"},
    "page": {"type": "integer", "minimum": 1, "maximum": 10**MAX_DIGITS - 1},
    "page_size": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after, or before, the row at ``place``."""

    place: str | None = None  #: None: the beginning
    back: bool = False

    def text(self) -> str:
        """Return the cursor as it is in a link."""
        marked = ("<" if self.back else ">") + (self.place or "")
        return base64.urlsafe_b64encode(marked.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a list that is requested."""

    cursor: Cursor
    size: int
    number: int | None = None  #: None: the cursor decides

    @property
    def offset(self) -> int:
        """How many rows are skipped."""
        return (self.number - 1) * self.size if self.number else 0

    def answer(
        self, request: Request, count: int, rows: Sequence[T], place: Any, shown: Any
    ) -> dict[str, Any]:
        """Return the page as JSON.

        ``rows``: one more than fits the page, if there are so many, in the order in which they were
        read; ``place`` and ``shown`` return a row's place in the list and its JSON. Raises Refusal
        (404) if there is no page of this number.
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
            raise Refusal(404, "Invalid page: there are fewer pages.")
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
    """Return the requested page; raises Refusal (400; 404 if it is not a page)."""
    size = parameter(request, "page_size")
    if size is None:
        size = str(MAX_PAGE)
    if not size.isascii() or not size.isdecimal() or not 1 <= int(size[:9]) <= MAX_PAGE:
        raise Refusal(400, f"page_size must be a number from 1 to {MAX_PAGE}.")
    number, cursor = parameter(request, "page"), parameter(request, "cursor")
    if number is not None and cursor:
        # no schema can say that two parameters exclude each other: so this is 404, not 400
        raise Refusal(404, "Invalid page: give page or cursor, not both.")
    return Page(_cursor(cursor), int(size), None if number is None else _number(number))


def _number(text: str) -> int:
    usable = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
    if not usable or int(text) < 1:
        raise Refusal(404, "Invalid page: pages are numbered from 1.")
    return int(text)


def parameter(request: Request, name: str) -> str | None:
    """Return the query parameter ``name``; raises Refusal (400) if it is repeated."""
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
    """Return the refusal of a cursor that is not ours."""
    return Refusal(404, "Invalid cursor: follow the links next and previous.")


def _link(request: Request, name: str, value: str) -> str:
    given: Mapping[str, str] = dict(request.query_params)
    return str(request.url.replace(query=urlencode({**given, name: value})))
