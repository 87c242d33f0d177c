"""A connection to which the head and the body of an answer go together."""

from __future__ import annotations

import asyncio
from typing import Any

#: bytes that wait at most
MOST_WAITING = 64 << 10


class Gathered:
    """A transport that sends what is written in one step of the event loop at once.

    uvicorn writes head, body and end one by one: each would be a system call and wake the client.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send ``data`` after what was written before it."""
        if not self._waiting and data:
            self._loop.call_soon(self._flush)
        self._waiting += data
        if len(self._waiting) > MOST_WAITING:
            self._flush()

    def close(self) -> None:
        """Close the connection once all is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            self._transport.write(bytes(self._waiting))
            self._waiting.clear()
