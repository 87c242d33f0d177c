"""Messages that are there together are done by one call of a pool process, each as its own task.

A batch is what waits when a pool process has nothing to do: nothing is held back to fill one. What
turns out not to be plain, there, comes back undone and is then done as Celery does any message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

from kombu.asynchronous import get_event_loop

from tagsweep.worker.broker import batching
from tagsweep.worker.broker.runtime import batch_call


@runtime_checkable
class Together(Protocol):
    """What a channel has that can acknowledge many messages at once."""

    def together(self) -> AbstractContextManager[None]:
        """Acknowledge what is acknowledged in the block at its end."""


#: does one message, as Celery does
Execute = Callable[[Any], object]


class Batches:
    """The messages of a worker that wait for a pool process, to be done together."""

    def __init__(self, controller: Any, execute: Execute) -> None:
        self._controller = controller
        self._execute = execute
        self._waiting: deque[Any] = deque()
        self._asked = 0  # how many processes it waits for
        self._is_called = False

    def add(self, request: Any) -> None:
        """Do a message: alone, or with others that are there together with it."""
        if not batching.fits(request.message):
            self._execute(request)
            return
        self._waiting.append(request)
        loop = get_event_loop()
        if loop is None:
            self._ask()
        elif not self._is_called:
            self._is_called = True
            loop.call_soon(self._ask)  # once all that came in the same moment are there

    def clear(self) -> None:
        """Forget what waits, once its connection is lost: it comes again.

        Celery's count has forgotten by then who waits for a process.
        """
        self._waiting.clear()
        self._asked = 0
        self._is_called = False

    def _ask(self) -> None:
        """Ask for a pool process for each message, as far as there are so many."""
        self._is_called = False
        while self._asked < min(len(self._waiting), self._controller.pool.num_processes):
            self._asked += 1
            if self._idle:
                self._idle.acquire(self._serve)
            else:
                self._serve()

    @property
    def _idle(self) -> Any:
        """Celery's count of processes that have nothing to do; None where the pool has no such."""
        pool = self._controller.pool
        return self._controller.semaphore if pool.uses_semaphore else None

    def _serve(self) -> None:
        """Give a process that has nothing to do its part of what waits."""
        self._asked -= 1
        pool, idle = self._controller.pool, self._idle
        part = -(-len(self._waiting) // (1 + (idle.value if idle else 0)))
        part = min(part, batching.most_at_once(pool.num_processes))
        some = [self._waiting.popleft() for _ in range(part)]
        revoked = [one for one in some if _is_revoked(one)]
        together = [one for one in some if one not in revoked]
        if together:
            _Call(together, self._execute).apply(pool)
        elif idle:
            idle.release()
        for one in revoked:
            self._execute(one)


def _is_revoked(request: Any) -> bool:
    request.revoked()  # which only notes it
    return "tagsweep_revoked" in request.request_dict


class _Call:
    """Some messages that a pool process does in one call."""

    def __init__(self, requests: Sequence[Any], execute: Execute) -> None:
        self._requests = requests
        self._execute = execute

    def apply(self, pool: Any) -> None:
        """Have it done."""
        for one in self._requests[1:]:
            one.message.accompanies = True  # it needs no process of its own
        pool.apply_async(
            batch_call.run,
            args=([batch_call.call(one) for one in self._requests],),
            accept_callback=self._accepted,
            callback=self._done,
            error_callback=self._failed,
            correlation_id=self._requests[0].id,
        )

    def _accepted(self, pid: int, time_accepted: float) -> None:
        for one in self._requests:
            one.on_accepted(pid, time_accepted)

    def _done(self, outcomes: Sequence[Any]) -> None:
        """Settle the messages that were done; do each of the others alone."""
        undone = []
        with self._acknowledging():
            for one, outcome in zip(self._requests, outcomes, strict=True):
                if outcome is None:
                    undone.append(one)
                else:
                    one.on_success(outcome)
        for one in undone:
            one.message.accompanies = False
            self._execute(one)

    def _failed(self, info: Any) -> None:
        """Have all messages come again: their process died, or the call could not be made."""
        for one in self._requests:
            one.on_failure(info)

    def _acknowledging(self) -> AbstractContextManager[Any]:
        qos: Any = getattr(self._requests[0].message.channel, "qos", None)
        return qos.together() if isinstance(qos, Together) else nullcontext()
