"""Stop, or end, what runs in this process before or after a certain statement of its.

At the one place where all statements go through: the engine's own events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from tagsweep.worker import database

Step = Callable[[], None]


class Died(BaseException):
    """As far as the store can tell, the process is gone."""


@contextmanager
def at(number: int, act: Step) -> Iterator[list[int]]:
    """Do ``act`` at boundary ``number`` (from 1) of this thread; yields how many it has passed.

    A boundary is just before a statement, just after it, and just before a commit.
    """
    passed = [0]
    thread = threading.get_ident()

    def step(*_: Any) -> None:
        if threading.get_ident() == thread:
            passed[0] += 1
            if passed[0] == number:
                act()

    engine = database.engine()
    names = ("before_cursor_execute", "after_cursor_execute", "commit")
    for name in names:
        event.listen(engine, name, step)
    try:
        yield passed
    finally:
        for name in names:
            event.remove(engine, name, step)


def die() -> None:
    """End the process, as far as the store can tell."""
    raise Died
