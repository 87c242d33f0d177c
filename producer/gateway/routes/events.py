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
from tagsweep.producer.gateway.submission.notifier import Listener
from tagsweep.worker import database
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.events import feed as positions
from tagsweep.worker.events import outbox
from tagsweep.worker.events.feed import Bounds

#: how often a feed says at least something, and looks whether its key was revoked
HEARTBEAT_S, CHECK_S = 15.0, 2.0
BATCH = 100
MOST_DIGITS = 18
#: what the id of the last event is called where a client can set no header: by us, and by the
#: stand-ins for a browser's EventSource
LAST = ("last_event_id", "lastEventId", "lastEventID", "Last-Event-ID")
#: what a client that lost the connection waits for
RETRY_MS = 2_000

NO_ID = "Last-Event-ID must be the id of an event of this feed, or 0."
GONE = "Events up to number {first} are kept no more: resume behind it."
LOST = (
    "Event number {position} is gone: it was told before a server took over that did not have it "
    "yet. Read the jobs anew (GET /api/v1/jobs/), and resume the feed behind number {resume}."
)

router = query_parameters.router()


@router.get(
    "/api/v1/events",
    summary="Follow the events of jobs",
    operation_id="followEvents",
    **operations.operation(
        answers={200: "Events"},
        refused=(400, 401, 410, 429, 500, 503),
        query={name: {"type": "integer", "minimum": 0} for name in LAST},
        headers=(
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "Resume behind this event; without it, from now on.",
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
    # the header first: a browser that connects anew sends the newest id there, and its first URL
    given = request.headers.getlist("last-event-id") or [
        value for name in LAST for value in request.query_params.getlist(name)
    ]
    position = _position(given, await gateway.store.run(_bounds))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.state.account.head_only:
        return Response(media_type="text/event-stream", headers=headers)
    place = gateway.feeds.one()
    place.__enter__()  # given back by the stream, which begins after the answer's head
    return StreamingResponse(
        _stream(gateway, caller, position, place),
        media_type="text/event-stream",
        headers=headers,
    )


def _position(given: list[str], known: Bounds) -> int:
    """Return behind which event the feed begins; raises Refusal (400, 410)."""
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
    """Yield the feed till the gateway stops, the key is revoked or the client goes."""
    try:
        with gateway.waiting.feed(caller.tenant) as listener:
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
    said_at = loop.time()
    while gateway.waiting.give_up_at is None:
        listener.moved.clear()
        progress = listener.take_progress()  # before the events: what has ended is not running
        rows = await _read(gateway, caller, position)
        for shown in progress:
            if shown["id"] not in ended:
                said_at = loop.time()
                yield f"event: progress\ndata: {json.dumps(shown)}\n\n"
        for row in rows:
            position, said_at = row.position, loop.time()
            ended.append(str(row.job_id))
            yield f"id: {position}\ndata: {row.event}\n\n"
        if len(rows) == BATCH:
            continue
        if loop.time() - said_at > HEARTBEAT_S:
            said_at = loop.time()
            yield ": still here\n\n"
        if not await _may_go_on(gateway, caller):
            return
        await _moved(listener)


async def _read(gateway: Gateway, caller: Caller, position: int) -> list[Any]:
    try:
        return await gateway.store.run(_behind, caller.tenant, position)
    except TagsweepError:  # later then: the feed goes on from the same place
        return []


async def _may_go_on(gateway: Gateway, caller: Caller) -> bool:
    try:
        return await gateway.callers.still_valid(caller)
    except TagsweepError:
        return True


async def _moved(listener: Listener) -> None:
    try:
        await asyncio.wait_for(listener.moved.wait(), CHECK_S)
    except TimeoutError:
        return


def _bounds() -> Bounds:
    with database.reading() as connection:
        return positions.bounds(connection)


def _behind(tenant: str, position: int) -> list[Any]:
    with database.reading() as connection:
        return list(outbox.of_tenant(connection, tenant, position, BATCH))
