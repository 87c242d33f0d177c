"""What many requests ask for at once is read once; nobody gets what failed, or what is old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tagsweep.producer.gateway import shared
from tagsweep.producer.gateway.shared import Shared


class Reads:
    """What a slow store answers: the number of the read; it can be told to fail."""

    def __init__(self) -> None:
        self.made = 0
        self.fails = False
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        """Answer once it may."""
        self.made += 1
        number = self.made
        await self.may_end.wait()
        if self.fails:
            raise ConnectionError
        return number


def _run(scenario: Callable[[Shared, Reads], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(Shared(), Reads())

    asyncio.run(main())


def test_those_who_ask_at_once_wait_for_one_read() -> None:
    async def scenario(known: Shared, reads: Reads) -> None:
        asked = [asyncio.create_task(known.get("a", 60, reads)) for _ in range(20)]
        await asyncio.sleep(0)
        other = asyncio.create_task(known.get("b", 60, reads))
        await asyncio.sleep(0)
        reads.may_end.set()
        assert await asyncio.gather(*asked) == [1] * 20
        assert await other == 2
        assert await known.get("a", 60, reads) == 1

    _run(scenario)


def test_what_is_old_or_forgotten_is_read_anew() -> None:
    async def scenario(known: Shared, reads: Reads) -> None:
        reads.may_end.set()
        assert [await known.get("a", 0, reads) for _ in range(3)] == [1, 2, 3]
        known.forget("a")
        assert await known.get("a", 60, reads) == 4

    _run(scenario)


def test_what_is_too_old_for_one_is_read_anew_once_for_all_and_not_too_soon() -> None:
    async def scenario(known: Shared, reads: Reads) -> None:
        reads.may_end.set()
        began = time.monotonic()
        assert await known.get("a", 0.2, reads, since=began) == 1
        later = time.monotonic()
        assert await known.get("a", 0.2, reads, since=began) == 1  # that is new enough
        asked = (known.get("a", 0.2, reads, since=later) for _ in range(20))
        assert await asyncio.gather(*asked) == [2] * 20
        assert time.monotonic() - began > 0.2

    _run(scenario)


def test_what_is_being_read_is_not_read_a_second_time_beside_it() -> None:
    async def scenario(known: Shared, reads: Reads) -> None:
        first = asyncio.create_task(known.get("a", 0, reads))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(known.get("a", 0, reads, since=time.monotonic()))
        await asyncio.sleep(0.01)
        assert reads.made == 1
        reads.may_end.set()
        assert (await first, await second) == (1, 2)

    _run(scenario)


def test_a_request_that_is_gone_takes_the_answer_from_nobody() -> None:
    async def scenario(known: Shared, reads: Reads) -> None:
        first, second = (asyncio.create_task(known.get("a", 60, reads)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        reads.may_end.set()
        assert await second == 1

    _run(scenario)


def test_what_failed_is_told_to_all_who_waited_and_tried_again() -> None:
    async def scenario(known: Shared, reads: Reads) -> None:
        reads.fails = True
        asked = [asyncio.create_task(known.get("a", 60, reads)) for _ in range(2)]
        await asyncio.sleep(0)
        reads.may_end.set()
        for one in asked:
            with pytest.raises(ConnectionError):
                await one
        reads.fails = False
        assert await known.get("a", 60, reads) == 2

    _run(scenario)


def test_no_more_is_kept_than_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MOST", 3)

    async def scenario(known: Shared, reads: Reads) -> None:
        reads.may_end.set()
        assert [await known.get(key, 60, reads) for key in "abcd"] == [1, 2, 3, 4]
        assert [await known.get(key, 60, reads) for key in "bcd"] == [2, 3, 4]
        assert await known.get("a", 60, reads) == 5

    _run(scenario)
