"""What a refusal is: a fault of a server that a test switches on, and off again."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import psutil
import pytest
from _pytest.mark import ParameterSet

from tests.chaos import scale

Place = TypeVar("Place")
#: takes the server that is to refuse; it refuses inside the block, and no longer after it
Switch = Callable[[Place], AbstractContextManager[None]]


@dataclass(frozen=True)
class Refusal(Generic[Place]):
    """One way in which a server refuses.

    Args:
        name: What it is called in a test's id.
        switch: Turns it on for the length of a block.
        core: Whether ``make test`` shows it; the whole is ``make chaos``.
        fails_items: Whether items may rightly fail of it: a retry of their jobs does the rest.
        connected: Whether who waits in Celery's ``get()`` can go on waiting, without asking anew.
        loses_messages: Whether the server itself forgets messages, so that only jobs of the store
            are promised.
        ends_sessions: Whether it ends sessions, so that one may be lost at its commit.
    """

    name: str
    switch: Switch[Place]
    core: bool = False
    fails_items: bool = False
    connected: bool = True
    loses_messages: bool = False
    ends_sessions: bool = False


def chosen(refusals: list[Refusal[Place]], *, later: str = "") -> list[ParameterSet]:
    """Return the refusals of this run as parameters of a test, by their names.

    ``later``: a pattern of those that are not promised yet.
    """
    wanted = [one for one in refusals if not (later and re.fullmatch(later, one.name))]
    return [pytest.param(one, id=one.name) for one in wanted if one.core or scale.LONG]


@contextmanager
def again_and_again(act: Callable[[], object], pause_s: float) -> Iterator[None]:
    """Do ``act`` at once, and then each ``pause_s`` seconds in a thread; raise what went wrong."""
    over, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not over.wait(pause_s):
                act()
        except BaseException as error:  # noqa: BLE001  # told at the end
            failures.append(error)

    act()
    thread = threading.Thread(target=run, name="refusal")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def silent(pid: int) -> Iterator[None]:
    """Stop a server's processes (SIGSTOP): connections stand, and nothing answers."""
    parent = psutil.Process(pid)
    parent.suspend()
    stopped = [parent, *parent.children(recursive=True)]
    for one in stopped[1:]:
        one.suspend()
    try:
        yield
    finally:
        for one in reversed(stopped):
            one.resume()
