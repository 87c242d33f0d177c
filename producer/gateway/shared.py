"""What many requests read at about the same time is read once, for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

#: entries that are kept
MOST = 1_000

Read = Callable[[], Awaitable[Any]]


class Shared:
    """Values that are read when somebody asks, and then serve whoever asks soon after."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, key: Hashable, fresh_s: float, read: Read) -> Any:
        """Return what ``read`` returns, or has returned for ``key`` within ``fresh_s``.

        Whoever asks while it is being read waits for the same value; what it raises is not kept.
        """
        read_at, found = self._known.get(key, (float("-inf"), None))
        if found is None or (found.done() and time.monotonic() - read_at > fresh_s):
            found = self._begin(key, read)
        return await asyncio.shield(found)  # others may wait for it if this request is gone

    def forget(self, key: Hashable) -> None:
        """Read anew when somebody next asks for ``key``."""
        self._known.pop(key, None)

    def _begin(self, key: Hashable, read: Read) -> asyncio.Future[Any]:
        begun = asyncio.ensure_future(read())
        self._known.pop(key, None)  # its place is that of the newest
        while len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[key] = time.monotonic(), begun
        begun.add_done_callback(lambda _: self._drop_failed(key, begun))
        return begun

    def _drop_failed(self, key: Hashable, ended: asyncio.Future[Any]) -> None:
        failed = ended.cancelled() or ended.exception() is not None
        if failed and self._known.get(key, (0.0, None))[1] is ended:
            del self._known[key]
