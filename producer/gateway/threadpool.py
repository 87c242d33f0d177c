"""Blocking steps in threads, with a timeout after which nobody waits for them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from tagsweep.worker.errors import Retryable, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

#: how long a step may take that reads or writes little: that a server is down must be known within
#: two seconds
PATIENCE_S = 1.5
#: the same for a store that is a file: it is never down, but a big job may lock it for long
PATIENCE_WITH_FILE_S = 20.0
SLOW = "The store has not answered in time."


class Abandoned(Exception):
    """Nobody waits for this step any more: it must not be committed."""


class Gate:
    """Decides once whether a step commits, or is abandoned by whoever waited for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self.passed = False  #: the commit has begun: its outcome is known only afterwards

    def commit(self) -> None:
        """Allow the commit; raises Abandoned if nobody waits for it any more."""
        with self._lock:
            if self._closed:
                raise Abandoned
            self.passed = True

    def close(self) -> bool:
        """Abandon the step; False if it is already being committed."""
        with self._lock:
            self._closed = not self.passed
            return self._closed


class Threads:
    """A bounded pool of threads.

    A step's timeout starts when a thread takes it: many at once make a queue, not a failure. If all
    threads hang, no step queues any more: that is how a server that is down looks.
    """

    def __init__(
        self,
        name: str,
        size: int,
        patience_s: float = PATIENCE_S,
        slow: type[Retryable] = StoreUnavailable,
    ) -> None:
        self._slow = slow  #: what is raised if the server is too slow
        self.patience_s = patience_s
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._free = asyncio.Semaphore(size)
        self._stuck = asyncio.Event()
        self._size = size
        self._hanging = 0

    async def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``step`` returns; raises StoreUnavailable after ``patience_s``.

        A step that finds its connection dead is repeated once: it only read, or did nothing yet.
        """
        start = time.monotonic()
        try:
            return await self.patiently(self.patience_s, step, *args, **kwargs)
        except StoreUnavailable as error:
            left = self.patience_s - (time.monotonic() - start)
            if left < self.patience_s / 2 or str(error) == SLOW:
                raise
            return await self.patiently(left, step, *args, **kwargs)

    async def patiently(
        self, seconds: float, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what ``step`` returns; after ``seconds``, raises that its server is too slow."""
        await self._take_turn()
        loop = asyncio.get_running_loop()
        in_time: asyncio.Future[bool] = loop.create_future()
        future = self._pool.submit(step, *args, **kwargs)
        # asyncio's own future for it would take more turns of the event loop
        future.add_done_callback(lambda _: _call_soon(loop, self._end, in_time))
        timer = loop.call_later(seconds, self._give_up, in_time)
        try:
            ended = await in_time
        finally:
            timer.cancel()
        if not ended:
            raise self._too_slow()
        return future.result()

    def close(self) -> None:
        """Start no further step; those that hang are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _take_turn(self) -> None:
        if self._stuck.is_set():
            raise self._too_slow()
        if not self._free.locked():
            await self._free.acquire()
            return
        turn = asyncio.ensure_future(self._free.acquire())
        stuck = asyncio.ensure_future(self._stuck.wait())
        try:
            await asyncio.wait({turn, stuck}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if turn.done():
                self._free.release()
            raise
        finally:
            stuck.cancel()
            had = turn.done()
            turn.cancel()
        if not had:
            raise self._too_slow()

    def _too_slow(self) -> Retryable:
        return self._slow(SLOW if self._slow is StoreUnavailable else None)

    def _give_up(self, in_time: asyncio.Future[bool]) -> None:
        """Let the caller of a step that hangs go on."""
        if in_time.done():
            return
        in_time.set_result(False)
        self._hanging += 1
        if self._hanging == self._size:
            self._stuck.set()

    def _end(self, in_time: asyncio.Future[bool]) -> None:
        """Give back the thread of a step, and let its caller go on, if it still waits."""
        self._free.release()
        if not in_time.done():
            in_time.set_result(True)
        elif not in_time.cancelled():  # it was given up
            self._hanging -= 1
            self._stuck.clear()


def _call_soon(
    loop: asyncio.AbstractEventLoop,
    call: Callable[[asyncio.Future[bool]], None],
    in_time: asyncio.Future[bool],
) -> None:
    """Have the event loop call; it is closed where a step ends after its gateway."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, in_time)
