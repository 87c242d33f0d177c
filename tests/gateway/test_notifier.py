"""When the gateway reads the store's feed: while somebody waits, and then from its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tagsweep.producer.gateway.submission import feed, notifier
from tagsweep.producer.gateway.submission.notifier import Notifier
from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker import settings
from tagsweep.worker.events.feed import Bounds

#: far more than the notifier waits between two looks, since the test makes these short
LONG_S = 0.3


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read from the store, in its order."""
    made: list[str] = []

    def noted(name: str, answer: Any) -> Callable[..., Any]:
        def read(*_: object) -> Any:
            made.append(name)
            return answer

        return read

    bounds = Bounds(first=0, last=7, gaps=(), moved=False)
    for name, answer in (("bounds", bounds), ("after", []), ("running", [])):
        monkeypatch.setattr(feed, name, noted(name, answer))
    for name in ("EAGER_S", "OPEN_S", "CALM_S"):
        monkeypatch.setattr(notifier, name, 0.01)
    return made


@pytest.mark.slow
def test_the_feed_is_read_while_somebody_waits_and_not_otherwise(reads: list[str]) -> None:
    async def scenario() -> None:
        follower = Notifier(Threads("test", 1, 1.0), settings.load())
        running = asyncio.create_task(follower.run())
        await asyncio.sleep(LONG_S)
        idle = len(reads)
        await asyncio.sleep(LONG_S)
        assert len(reads) == idle
        with follower.feed("acme") as listener:
            await asyncio.wait_for(listener.moved.wait(), 5)  # what came meanwhile is not missed
            await asyncio.sleep(LONG_S)
            assert reads[idle] == "bounds"
            assert reads[idle + 1 :].count("after") > 1
        await asyncio.sleep(LONG_S)
        left = len(reads)
        await asyncio.sleep(LONG_S)
        assert len(reads) == left
        running.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize("calm", [True, False])
def test_for_feeds_that_are_calm_the_feed_is_not_read_at_each_end(
    reads: list[str],
    monkeypatch: pytest.MonkeyPatch,
    calm: bool,  # noqa: FBT001  # how a feed listens
) -> None:
    monkeypatch.setattr(notifier, "CALM_S", 0.2)

    async def scenario() -> None:
        follower = Notifier(Threads("test", 1, 1.0), settings.load())
        running = asyncio.create_task(follower.run())
        with follower.feed("acme", calm=calm):
            for _ in range(50):  # for a second
                follower._hint_and_poke(uuid4())
                await asyncio.sleep(0.02)
        running.cancel()

    asyncio.run(scenario())
    assert (reads.count("after") <= 8) == calm
