"""Kills worker processes, those that the test has started and no others, by their ids."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from tests.support.stack import ServerStack, eventually

#: seconds between two acts of violence
PAUSE_S = 0.3, 1.0


class Monkey:
    """Kills one random process of the stack's workers at a time; a killed worker is replaced."""

    def __init__(self, stack: ServerStack, draw: random.Random, concurrency: int = 2) -> None:
        self.stack = stack
        self.draw = draw
        self.concurrency = concurrency

    def kill(self) -> None:
        """Kill a parent or a child with signal 9."""
        ready = [one for one in self.stack.workers if " ready." in one.log]
        if not ready:
            return
        worker = self.draw.choice(ready)
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(worker.process.pid)
            victim = self.draw.choice([parent, *parent.children()])
            victim.kill()
            if victim == parent:
                worker.process.wait()
                self.stack.workers.remove(worker)
                self.stack.start_worker(self.concurrency)


class Loose:
    """Does something violent again and again, in a thread of its own."""

    def __init__(
        self, act: Callable[[], None], draw: random.Random, pause_s: tuple[float, float]
    ) -> None:
        self.acts = 0
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        arguments = (act, draw, pause_s)
        self._thread = threading.Thread(target=self._run, args=arguments, name="monkey")

    def _run(
        self, act: Callable[[], None], draw: random.Random, pause_s: tuple[float, float]
    ) -> None:
        try:
            while not self._stop.wait(draw.uniform(*pause_s)):
                act()
                self.acts += 1
        except BaseException as error:  # noqa: BLE001  # told at the end
            self._failures.append(error)

    def wait_for(self, acts: int) -> None:
        """Return once it was done so often."""
        eventually(lambda: self.acts >= acts or self._failures, seconds=300)

    @property
    def failure(self) -> BaseException | None:
        """What went wrong, once something has."""
        return self._failures[0] if self._failures else None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Return once it is over; raise what went wrong."""
        self._stop.set()
        self._thread.join()
        if self._failures:
            raise self._failures[0]


@contextmanager
def at_large(
    act: Callable[[], None], draw: random.Random, pause_s: tuple[float, float] = PAUSE_S
) -> Iterator[Loose]:
    """Do ``act`` again and again, with random pauses, beside the block."""
    loose = Loose(act, draw, pause_s)
    loose.start()
    try:
        yield loose
    finally:
        loose.stop()
