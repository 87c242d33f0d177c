"""The event feed: Server-Sent Events of a tenant's jobs, read from the store."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.state import Gateway
from tagsweep.producer.gateway.submission import feed
from tagsweep.producer.gateway.submission.notifier import Listener
from tagsweep.worker.errors import TagsweepError

#: how often a feed sends at least something, and checks that its key was not revoked
HEARTBEAT_S, CHECK_S = 15.0, 2.0
BATCH = 100
MOST_DIGITS = 18
#: names of the last event's id for clients that cannot set a header: ours, and those that
#: replacements of a browser's EventSource use
LAST = ("last_event_id", "lastEventId", "lastEventID", "Last-Event-ID")
#: how long a client that lost the connection waits
RETRY_MS = 2_000

NO_ID = "Last-Event-ID must be the id of an event of this feed, or 0."
GONE = "Events up to number {first} have expired: resume after it."
LOST = (
    "Event number {position} is lost: it was sent before a failover to a server that did not have "
    "it yet. Read the jobs again (GET /api/v1/jobs/), and resume the feed after number {resume}."
)

router = query_parameters.router()


@router.get(
    "/api/v1/events",
    summary="Follow the events of jobs",
    operation_id="followEvents",
    **operations.operation(
        answers={200: "Events"},
        refused=(400, 401, 410, 429, 500, 503),
        aliases=dict.fromkeys(LAST, "Last-Event-ID"),
        headers=(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "Resume after this event; without it, only new events are sent.",
                "schema": {"type": "integer", "minimum": 0},
            },
        ),
    ),
)
@router.get("/api/v1/events/", include_in_schema=False)
async def follow(request: Request) -> Response:
    """Send completion events from the store, with progress of running jobs between them."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request)
    # the header first: a browser that reconnects sends the newest id there, but its first URL
    given = request.headers.getlist("last-event-id") or [
        value for name in LAST for value in request.query_params.getlist(name)
    ]
    position = _position(given, await gateway.store.run(feed.bounds))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.state.account.head_only:
        return Response(media_type="text/event-stream", headers=headers)
    place = gateway.feeds.one()
    place.__enter__()  # released by the stream, which begins after the answer's head
    return StreamingResponse(
        _stream(gateway, caller, position, place),
        media_type="text/event-stream",
        headers=headers,
    )


def _position(given: list[str], known: feed.Bounds) -> int:
    """Return after which position the feed begins; raises Refusal (400, 410)."""
    if not given:
        return known.last
    text = given[0]
    usable = len(given) == 1 and text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    if not usable:
        raise Refusal(400, NO_ID)
    position = int(text)
    before = known.known_before(position)
    if before is not None:
        raise _gone(LOST.format(position=position, resume=before), before)
    if position > known.last:
        raise Refusal(400, NO_ID)
    if position < known.first:
        raise _gone(GONE.format(first=known.first), known.first)
    return position


def _gone(detail: str, resume: int) -> Refusal:
    return Refusal(410, detail, members={"resume_behind": resume})


async def _stream(
    gateway: Gateway, caller: Caller, position: int, place: Any
) -> AsyncIterator[str]:
    """Yield the feed until the gateway stops, the key is revoked or the client leaves."""
    try:
        with gateway.notifier.feed(caller.tenant) as listener:
            yield f"retry: {RETRY_MS}\n\n"
            async for text in _news(gateway, caller, position, listener):
                yield text
    finally:
        place.__exit__(None, None, None)


async def _news(
    gateway: Gateway, caller: Caller, position: int, listener: Listener
) -> AsyncIterator[str]:
    ended: deque[str] = deque(maxlen=1_000)
    loop = asyncio.get_running_loop()
    sent_at = loop.time()
    while gateway.notifier.give_up_at is None:
        listener.moved.clear()
        progress = listener.take_progress()  # before the events: what has ended is not running
        rows = await _read(gateway, caller, position)
        for shown in progress:
            if shown["id"] not in ended:
                sent_at = loop.time()
                yield f"event: progress\ndata: {json.dumps(shown)}\n\n"
        for row in rows:
            position, sent_at = row.position, loop.time()
            ended.append(str(row.job_id))
            yield f"id: {position}\ndata: {row.event}\n\n"
        if len(rows) == BATCH:
            continue
        if loop.time() - sent_at > HEARTBEAT_S:
            sent_at = loop.time()
            yield ": still here\n\n"
        if not await _may_continue(gateway, caller):
            return
        await _moved(listener)


async def _read(gateway: Gateway, caller: Caller, position: int) -> list[Any]:
    try:
        return await gateway.store.run(feed.of_tenant, caller.tenant, position, BATCH)
    except TagsweepError:  # later then: the feed continues from the same position
        return []


async def _may_continue(gateway: Gateway, caller: Caller) -> bool:
    try:
        return await gateway.callers.still_valid(caller)
    except TagsweepError:
        return True


async def _moved(listener: Listener) -> None:
    try:
        await asyncio.wait_for(listener.moved.wait(), CHECK_S)
    except TimeoutError:
        return
