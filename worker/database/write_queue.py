"""First come, first served among the threads of one process: for a store with a single writer.

SQLite lets whoever asks first after a commit have its lock: a worker that goes from chunk to chunk
would have it every time, and a request beside it none for seconds.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_guard = threading.Lock()
_waiting: deque[threading.Event] = deque()


@contextmanager
def turn() -> Iterator[None]:
    """Hold the one turn of this process during the block; those who wait get it in their order."""
    mine = threading.Event()
    with _guard:
        _waiting.append(mine)
        if _waiting[0] is mine:
            mine.set()
    mine.wait()
    try:
        yield
    finally:
        with _guard:
            _waiting.popleft()
            if _waiting:
                _waiting[0].set()


def _forget() -> None:
    """Begin anew in a forked child: the threads that waited are its parent's."""
    global _guard  # noqa: PLW0603  # its parent may have held it at that moment
    _guard = threading.Lock()
    _waiting.clear()


os.register_at_fork(after_in_child=_forget)
