"""Write transactions of a process's threads in order of arrival, for a store with one writer.

SQLite gives its lock to whoever asks first after a commit: a worker that goes from chunk to chunk
would get it every time, and a request would wait for seconds.
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
    """Hold this process's only turn during the block; waiting threads get it in their order."""
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
    """Start empty in a forked child: the waiting threads are its parent's."""
    global _guard  # noqa: PLW0603  # its parent may have held it at that moment
    _guard = threading.Lock()
    _waiting.clear()


os.register_at_fork(after_in_child=_forget)
