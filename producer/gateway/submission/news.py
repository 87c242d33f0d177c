"""What has been told to feeds: whoever reads the store later knows all of that."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

#: news of which the time is remembered
MOST = 100
_EVER = float("-inf")


def of_running(shown: Mapping[str, Any]) -> list[Any]:
    """Return what of a running job is news once it has changed; its rate always does."""
    return [shown.get(name) for name in ("status", "counts", "paused", "waiting")]


class News:
    """Counts what is told, and knows when it was; times are those of ``time.monotonic``."""

    def __init__(self) -> None:
        self._name = uuid4().hex[:8]  #: other processes count news of their own
        self._number = 0
        self._told_at: deque[float] = deque([time.monotonic()], MOST)

    def add(self) -> None:
        """Note that there is more."""
        self._number += 1
        self._told_at.append(time.monotonic())

    @property
    def last(self) -> str:
        """What has been told last."""
        return f"{self._name}-{self._number}"

    def told_at(self, news: str) -> float:
        """Return by when this was told; nothing: ever. Of another process: now, at the latest."""
        if not news:
            return _EVER
        name, _, number = news.partition("-")
        if name != self._name or not (number.isascii() and number.isdecimal()):
            return time.monotonic()
        behind = max(0, self._number - int(number))
        return self._told_at[-1 - min(behind, len(self._told_at) - 1)]
