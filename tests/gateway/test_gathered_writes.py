"""Head and body of an answer leave together."""

from __future__ import annotations

import asyncio
from typing import Any

from tagsweep.producer.gateway.gathered_writes import MOST_WAITING, Gathered


class _Sent:
    """What a connection was given to send, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def _written(*steps: list[bytes], close: bool = False) -> _Sent:
    """Write pieces, each list in one step of the event loop; return what was sent."""
    sent = _Sent()

    async def write() -> None:
        transport: Any = sent
        gathered = Gathered(transport, asyncio.get_running_loop())
        for pieces in steps:
            for piece in pieces:
                gathered.write(piece)
            if close:
                gathered.close()
            await asyncio.sleep(0)
        assert gathered.is_closing() is close

    asyncio.run(write())
    return sent


def test_what_is_written_in_one_step_is_sent_at_once() -> None:
    assert _written([b"head", b"body", b""], [b"next"], [b""]).pieces == [b"headbody", b"next"]


def test_what_waits_is_sent_before_the_connection_is_closed() -> None:
    sent = _written([b"head", b"body"], close=True)
    assert (sent.pieces, sent.closed) == ([b"headbody"], True)


def test_little_waits() -> None:
    long = b"x" * MOST_WAITING
    assert _written([b"head", long, b"more"]).pieces == [b"head" + long, b"more"]
