"""Kills worker processes, those that the test has started and no others, by their ids."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from tests.stack import ServerStack, eventually

#: seconds between two acts of violence
PAUSE_S = 0.3, 1.0


class Monkey:
    """Kills one random process of the stack's workers at a time; a killed worker is replaced."""

    def __init__(self, stack: ServerStack, draw: random.Random, concurrency: int = 2) -> None:
        self.stack = stack
        self.draw = draw
        self.concurrency = concurrency
        self.kills = 0

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
            open('/tmp/kills','a').write(f'{__import__("time").time():.4f} {victim.pid} {victim==parent}\n')
            self.kills += 1
            if victim == parent:
                worker.process.wait()
                self.stack.workers.remove(worker)
                self.stack.start_worker(self.concurrency)

    def wait_for(self, kills: int) -> None:
        """Return once so many were killed."""
        eventually(lambda: self.kills >= kills, seconds=60)


@contextmanager
def at_large(act: Callable[[], None], draw: random.Random) -> Iterator[threading.Event]:
    """Do ``act`` again and again, with pauses, beside the block; the event stops it early."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while not stop.wait(draw.uniform(*PAUSE_S)):
                act()
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    thread = threading.Thread(target=run, name="monkey")
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]
