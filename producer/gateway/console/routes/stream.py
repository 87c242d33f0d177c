"""The event stream of a browser: which jobs have moved, so that its pages load those parts anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import routing
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.state import Gateway
from tagsweep.producer.gateway.submission.notifier import Listener
from tagsweep.worker.errors import TagsweepError

#: how often a session is checked while its stream is open, and how often a line is sent at least
CHECK_S, HEARTBEAT_S = 2.0, 15.0
#: seconds between two of its messages at least, and most jobs that one names
PAUSE_S, MOST_JOBS = 1.0, 1_000

router = routing.router()


@router.get("/console/events")
async def follow(request: Request) -> Response:
    """Send the ids of jobs that have moved or ended; or that any may have."""
    who = await access.visitor(request)
    gateway = state.of(request)
    held = ExitStack()
    held.enter_context(gateway.feeds.one())  # released by the stream, which begins after the head
    held.enter_context(gateway.sessions.stream(access.token_of(request)))
    tenant = None if who.caller.admin else who.caller.tenant
    return StreamingResponse(
        _stream(request, gateway, tenant, held),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(
    request: Request, gateway: Gateway, tenant: str | None, held: ExitStack
) -> AsyncIterator[str]:
    with held, gateway.notifier.feed(tenant, calm=True) as listener:
        # from now on nothing is missed; what happened since the page was written has to be read
        yield f"retry: 2000\n{_told(gateway, set())}"
        async for text in _news(request, gateway, listener):
            yield text


async def _news(request: Request, gateway: Gateway, listener: Listener) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    sent_at = checked_at = loop.time()
    while gateway.notifier.give_up_at is None:
        moved = await _moved(listener)
        if loop.time() - checked_at > CHECK_S:
            checked_at = loop.time()
            if not await _is_signed_in(request):
                yield "event: ended\ndata: {}\n\n"
                return
        if moved:
            await asyncio.sleep(sent_at + PAUSE_S - loop.time())
            listener.moved.clear()
            jobs = {shown["id"] for shown in listener.take_progress()} | listener.take_ended()
            sent_at = loop.time()
            yield _told(gateway, jobs)
        elif loop.time() - sent_at > HEARTBEAT_S:
            sent_at = loop.time()
            yield ": still here\n\n"


def _told(gateway: Gateway, jobs: set[str]) -> str:
    """Return the message that these jobs have moved; any may have if none, or too many, are."""
    # woken for nothing in particular: hints may have been lost
    is_all = not 0 < len(jobs) <= MOST_JOBS
    news = {"jobs": [] if is_all else sorted(jobs), "all": is_all, "at": gateway.notifier.news.last}
    return f"data: {json.dumps(news)}\n\n"


async def _is_signed_in(request: Request) -> bool:
    try:
        return await access.is_signed_in(request)
    except Refusal:
        return False
    except TagsweepError:  # the store does not answer: later then
        return True


async def _moved(listener: Listener) -> bool:
    try:
        await asyncio.wait_for(listener.moved.wait(), CHECK_S)
    except TimeoutError:
        return False
    return True
