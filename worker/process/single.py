"""Objects of which a process has one, whichever of its threads asks first: engines, clients."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class single(Generic[T]):  # noqa: N801  # a decorator
    """Make a function return one object for the same arguments: the one that its first call made.

    ``functools.cache`` may call the function in two threads at once: two objects are made, and the
    one that nobody keeps is collected with its connections open.
    """

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._made: dict[tuple[Any, ...], T] = {}
        self._renew_lock()
        os.register_at_fork(after_in_child=self._renew_lock)
        update_wrapper(self, make)

    def __call__(self, *args: Any) -> T:
        """Return the object, made now if there is none."""
        with self._lock:
            if args not in self._made:
                self._made[args] = self._make(*args)
            return self._made[args]

    def forget(self) -> list[T]:
        """Make a new object at the next call; return those made so far, to be closed or not."""
        with self._lock:
            forgotten = list(self._made.values())
            self._made.clear()
            return forgotten

    def _renew_lock(self) -> None:
        # another thread of the parent may have held the old one at the moment of the fork
        self._lock = RLock()
