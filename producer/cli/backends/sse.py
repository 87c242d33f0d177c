"""The gateway's event feed: Server-Sent Events, reconnecting when the connection breaks."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse

from tagsweep.producer.cli.backends.http import Client, GatewayUnavailable, Refused
from tagsweep.producer.cli.output import terminal

PATH = "/api/v1/events"
#: how often the reader learns that there is nothing new
TICK_S = 0.2
#: the gateway says something every 15 s
SILENCE_S = 45.0
#: pause before a feed that broke off is opened again
RECONNECT_S = 2.0
GONE = 410
#: refusals that are temporary
TEMPORARY = (429, 500, 502, 503, 504)
#: lines that are read ahead
READ_AHEAD = 1_000


def read(client: Client) -> Iterator[str | None]:
    """Yield the tenant's events from the oldest that is kept, as JSON; None while there is none.

    Raises GatewayUnavailable or Refused if the feed cannot be opened. If it breaks off later, it is
    opened again, after the last event that was read, until that is refused.
    """
    position, opened, reported = 0, False, False
    while True:
        try:
            for at, text in _once(client, position):
                opened, reported, position = True, False, at or position
                yield text
        except Refused as refused:
            behind = _behind(refused, position, opened=opened)
            if behind != position:
                position = behind
                continue
        except GatewayUnavailable as error:
            if not opened:
                raise
            if not reported:
                terminal.say(f"{error} Trying again.")
            reported = True
        yield from _pause()


def _behind(refused: Refused, position: int, *, opened: bool) -> int:
    """Return the position to reopen the feed at; raises the refusal if it is permanent."""
    if refused.status == GONE:
        resume = (refused.body or {}).get("resume_behind")
        if isinstance(resume, int) and resume != position:
            return resume  # the events in between have expired
    if not opened or refused.status not in TEMPORARY:
        raise refused
    return position


def _pause() -> Iterator[None]:
    until = time.monotonic() + RECONNECT_S
    while time.monotonic() < until:
        yield None
        time.sleep(TICK_S)


def _once(client: Client, position: int) -> Iterator[tuple[int, str | None]]:
    """Yield position and text of events until the feed breaks off; no text while it is quiet."""
    headers = {"Last-Event-ID": str(position), "Accept": "text/event-stream"}
    with client.stream(PATH, headers, SILENCE_S) as response:
        lines: queue.Queue[str | None] = queue.Queue(READ_AHEAD)
        # a thread of its own, so that this one notices Ctrl-C, or that nobody reads its output
        threading.Thread(target=_fill, args=[response, lines], daemon=True).start()
        yield from _parsed(lines)


def _fill(response: HTTPResponse, lines: queue.Queue[str | None]) -> None:
    try:
        for line in response:
            lines.put(line.decode().rstrip("\r\n"))
    except (OSError, HTTPException, ValueError, AttributeError):  # broken off, or closed by us
        pass
    finally:
        lines.put(None)


def _parsed(lines: queue.Queue[str | None]) -> Iterator[tuple[int, str | None]]:
    position, kind, data = 0, "", ""
    while True:
        try:
            line = lines.get(timeout=TICK_S)
        except queue.Empty:
            yield position, None
            continue
        if line is None:
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and value.isdecimal():
            position = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            data += value
        elif not line:
            if data and kind in ("", "message"):
                yield position, data
            kind, data = "", ""
