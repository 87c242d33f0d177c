"""What many requests read at about the same time is read once, for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

#: entries that are kept
MOST = 1_000
_EVER = float("-inf")

Read = Callable[[], Awaitable[Any]]


class Shared:
    """Values that are read when somebody asks, and then serve whoever asks soon after."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, key: Hashable, fresh_s: float, read: Read, since: float = _EVER) -> Any:
        """Return what ``read`` returns, or has returned for ``key`` within ``fresh_s``.

        Whoever asks while it is being read waits for the same value; what it raises is not kept.
        ``since``: what was read before, by ``time.monotonic``, is too old for this one, which waits
        until it is read anew: that is not sooner than ``fresh_s`` after the last time.
        """
        while (found := self._newest(key, fresh_s, read, since)) is None:
            read_at, older = self._known[key]
            if older.done():
                await asyncio.sleep(read_at + fresh_s - time.monotonic())
            else:
                await asyncio.wait([older])
        return await asyncio.shield(found)  # others may wait for it if this request is gone

    def forget(self, key: Hashable) -> None:
        """Read anew when somebody next asks for ``key``."""
        self._known.pop(key, None)

    def _newest(
        self, key: Hashable, fresh_s: float, read: Read, since: float
    ) -> asyncio.Future[Any] | None:
        """Return what serves, which may be read anew now; None if it is too soon for that."""
        read_at, found = self._known.get(key, (_EVER, None))
        is_read = found is not None and not found.done()
        if found is None or (not is_read and time.monotonic() - read_at > fresh_s):
            return self._begin(key, read)
        return found if read_at >= since else None

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
