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

router = routing.router()


@router.get("/console/events")
async def follow(request: Request) -> Response:
    """Send the ids of jobs whose progress has changed, and that some job has ended."""
    who = await access.visitor(request)
    gateway = state.of(request)
    held = ExitStack()
    held.enter_context(gateway.feeds.one())  # released by the stream, which begins after the head
    tenant = None if who.caller.admin else who.caller.tenant
    return StreamingResponse(
        _stream(request, gateway, tenant, held),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(
    request: Request, gateway: Gateway, tenant: str | None, held: ExitStack
) -> AsyncIterator[str]:
    with held, gateway.notifier.feed(tenant) as listener:
        # from now on nothing is missed; what happened since the page was written has to be read
        yield f"retry: 2000\ndata: {json.dumps({'jobs': [], 'ended': True})}\n\n"
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
            listener.moved.clear()
            progress = [shown["id"] for shown in listener.take_progress()]
            # woken for nothing in particular: hints may have been lost
            news = {"jobs": progress, "ended": listener.take_ended() or not progress}
            sent_at = loop.time()
            yield f"data: {json.dumps(news)}\n\n"
        elif loop.time() - sent_at > HEARTBEAT_S:
            sent_at = loop.time()
            yield ": still here\n\n"


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
