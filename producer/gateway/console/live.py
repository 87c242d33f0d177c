"""The parts of pages that load anew by themselves: made once for all who look at the same."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.console.visitors.access import Visitor

#: how old a part may be, in seconds
FRESH_S = 1.0
#: the news of the stream that the browser has heard last, and how much of it counts
NEWS, MOST_NEWS = "x-news", 40

Make = Callable[[], Awaitable[Response]]


async def page(request: Request, who: Visitor, make: Make) -> Response:
    """Return the page that ``make`` returns; to a page itself, as it was FRESH_S ago at most.

    Whoever may see and do the same gets the same part: it has nothing of a session in it, and is no
    older than the news for which the browser asks for it. One that has it already gets nothing
    (304). It is made once in FRESH_S at most, however many look: they wait for the same one.
    """
    if not access.is_live(request):
        return await make()

    async def made() -> tuple[bytes, str]:
        body = bytes((await make()).body)
        return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    own = (who.caller.tenant, who.caller.admin, who.caller.scopes, who.read_only)
    gateway = state.of(request)
    since = gateway.notifier.news.told_at(request.headers.get(NEWS, "")[:MOST_NEWS])
    key = ("live", *own, str(request.base_url), request.url.path, request.url.query)
    body, etag = await gateway.shared.get(key, FRESH_S, made, since)
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(body, media_type="text/html", headers={"ETag": etag})
