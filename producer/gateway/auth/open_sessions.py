"""The sessions of open consoles: all of them are looked up at once, every other second.

Each console has a stream, and its pages load anew what has moved. Were its session looked up each
time, many open consoles would cost the store more than what they show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tagsweep.producer.gateway.auth import sessions
from tagsweep.producer.gateway.auth.sessions import Lifetime, Session
from tagsweep.producer.gateway.shared import Shared
from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker import database

#: how old what is known of a session may be while it has a stream
FRESH_S = 2.0


class OpenSessions:
    """Finds sessions, and knows which of them have a stream."""

    def __init__(self, threads: Threads, lifetime: Lifetime) -> None:
        self.lifetime = lifetime
        self._threads = threads
        self._open: Counter[str] = Counter()
        self._shared = Shared()

    @contextmanager
    def stream(self, token: str) -> Iterator[None]:
        """Look the session up together with others during the block."""
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1
            self._open += Counter()  # without those of which none is left

    async def find(self, token: str) -> Session | None:
        """Return a session as it is now; None if there is none, or it is over."""
        return (await self._read([token])).get(token)

    async def recall(self, token: str) -> Session | None:
        """Return a session that has a stream as it was FRESH_S ago at most, any other as it is."""
        if token not in self._open:
            return await self.find(token)
        known = await self._shared.get(None, FRESH_S, self._read_open)
        if token not in known:
            self.forget()
            known = await self._shared.get(None, FRESH_S, self._read_open)
        found: Session | None = known.get(token)
        return found

    def forget(self) -> None:
        """Look all of them up anew: one has ended."""
        self._shared.forget(None)

    async def _read_open(self) -> dict[str, Session | None]:
        tokens = list(self._open)
        return {**dict.fromkeys(tokens), **await self._read(tokens)}

    async def _read(self, tokens: list[str]) -> dict[str, Session]:
        return await self._threads.run(_read, tokens, self.lifetime)


def _read(tokens: list[str], lifetime: Lifetime) -> dict[str, Session]:
    with database.reading() as connection:
        return sessions.find(connection, tokens, lifetime)
