"""Small synchronous jobs, done where they arrive: requests in flight together become one batch.

A batch is one transaction of the gateway's own, with no broker on the way. Nothing is held back to
fill one: the next begins as soon as the one before has ended, with whatever waits by then.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from tagsweep.producer.gateway import errors
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.submission import batch_transaction
from tagsweep.producer.gateway.submission.job_request import JobRequest
from tagsweep.producer.gateway.submission.transactions import Recorded, View
from tagsweep.producer.gateway.threadpool import PATIENCE_S, SLOW, Gate, Threads
from tagsweep.worker.chunks import plain
from tagsweep.worker.chunks.given_values import Given
from tagsweep.worker.errors import Retryable, StoreBusy, StoreRefused

#: jobs of one batch, and items: about 50 ms of work
MAX_JOBS, MAX_ITEMS = 64, 5_000

#: how long all is left to the workers once the store has refused what a batch needs
PAUSE_S = 10.0

#: what becomes of a request: its job at its end; an error; None if it has to go its own way
Outcome = View | Exception | None
#: returns a job of which it is not known whether it was committed; raises Refusal
Settle = Callable[[JobRequest], Awaitable[Recorded]]


class Failed(Exception):
    """Something was in the way of a batch; nothing was done."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request that waits for the end of its job."""

    wanted: JobRequest
    items: int
    outcome: asyncio.Future[View | None]

    def resolve(self, outcome: Outcome) -> None:
        """Let the request continue."""
        if self.outcome.done():  # its request was cancelled
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class Queue:
    """Requests that wait for the next batch; tenants take turns in it."""

    def __init__(self) -> None:
        self._tenants: dict[str, deque[Waiter]] = {}

    def add(self, waiter: Waiter) -> None:
        """Put a request behind those of its tenant."""
        self._tenants.setdefault(waiter.wanted.job.tenant, deque()).append(waiter)

    def take(self) -> list[Waiter]:
        """Return the next batch, one request of each tenant after the other; none if none waits.

        Of two requests under the same id the second waits until the first is done, and so does one
        that sets a key to another value.
        """
        batch: list[Waiter] = []
        held: dict[str, deque[Waiter]] = {}
        ids: set[UUID] = set()
        given = Given()
        items = 0
        while self._tenants and len(batch) < MAX_JOBS:
            tenant = next(iter(self._tenants))
            waiting = self._tenants.pop(tenant)
            while waiting and waiting[0].outcome.done():  # it does not wait any more
                waiting.popleft()
            if not waiting:
                continue
            first = waiting[0]
            full = batch and items + first.items > MAX_ITEMS
            if full or first.wanted.job_id in ids or not given.admits(first.wanted.job):
                held[tenant] = waiting
                continue
            batch.append(waiting.popleft())
            ids.add(first.wanted.job_id)
            items += first.items
            if waiting:
                self._tenants[tenant] = waiting
        self._tenants = {**held, **self._tenants}
        return batch

    def take_all(self) -> list[Waiter]:
        """Return all that wait."""
        waiting = [waiter for some in self._tenants.values() for waiter in some]
        self._tenants.clear()
        return waiting


class Batches:
    """Takes small jobs from requests, and does all that wait at the same moment at once."""

    def __init__(
        self,
        store: Threads,
        item_limit: int,
        publish: Callable[[Collection[UUID]], None],
        settle: Settle,
    ) -> None:
        self._store = store
        self._item_limit = item_limit
        self._publish = publish  #: called with the ids of jobs that have ended here
        self._settle = settle
        self._queue = Queue()
        self._serving: asyncio.Task[None] | None = None
        self._resumes_at = float("-inf")
        self._log: Any = structlog.get_logger("tagsweep.gateway")

    def takes(self, wanted: JobRequest) -> bool:
        """Return whether the job is small and plain, and its sender waits for its end."""
        if not self._item_limit or not wanted.wait_s:
            return False
        if time.monotonic() < self._resumes_at:
            return False
        return plain.is_plain(wanted.job, self._item_limit)

    async def do(self, wanted: JobRequest) -> View | None:
        """Return the job, which has ended; None if it has to go its own way.

        It has to if its turn has not come in the time for which its sender waits. Raises Refusal:
        nothing was done (503), or it is not known whether it was (500).
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[View | None] = loop.create_future()
        waiter = Waiter(wanted, plain.items_of(wanted.job), ended)
        self._queue.add(waiter)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        time_is_up = loop.call_later(wanted.wait_s, waiter.resolve, None)
        try:
            return await ended
        except Failed:
            return await self._alone(wanted)
        finally:
            time_is_up.cancel()

    async def _alone(self, wanted: JobRequest) -> View | None:
        """Do a job of a batch that failed: what is in its way is in nobody else's now."""
        try:
            (outcome,) = await self._apply([wanted])
        except Failed:
            return None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _serve(self) -> None:
        try:
            while batch := self._queue.take():
                await self._serve_batch(batch)
        finally:
            self._serving = None

    async def _serve_batch(self, batch: Sequence[Waiter]) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = await self._apply([waiter.wanted for waiter in batch])
        except Failed as failed:  # one that was alone already goes its own way
            outcomes = [failed if len(batch) > 1 else None] * len(batch)
        except Refusal as refusal:  # those that wait would find the same, batch after batch
            batch = [*batch, *self._queue.take_all()]
            outcomes = [refusal] * len(batch)
        for waiter, outcome in zip(batch, outcomes, strict=True):
            waiter.resolve(outcome)

    async def _apply(self, batch: Sequence[JobRequest]) -> list[Outcome]:
        """Do the jobs in one transaction; raises Failed, and Refusal if the store is down."""
        start = time.monotonic()
        while True:
            gate = Gate()
            try:
                views = await self._store.patiently(
                    self._store.patience_s, batch_transaction.apply, gate, batch
                )
            except Exception as error:  # noqa: BLE001  # no job may fail another one
                if not gate.close() and not isinstance(error, StoreBusy | StoreRefused):
                    return await self._settled(batch)
                self._check(error, time.monotonic() - start)
            else:
                self._publish(views.keys())
                return [views.get(wanted.job_id) for wanted in batch]

    def _check(self, error: Exception, seconds: float) -> None:
        """Raise Failed or Refusal; return if the same is worth another try."""
        if not isinstance(error, Retryable):
            self._log.error("batch_failed", exc_info=error)
            raise Failed from error
        if isinstance(error, StoreRefused) and not error.by_item:
            self._pause(error)
        if isinstance(error, StoreBusy | StoreRefused):
            raise Failed from error
        if seconds > PATIENCE_S / 2 or str(error) == SLOW:
            raise errors.down(error) from error

    def _pause(self, refused: StoreRefused) -> None:
        """Leave all to the workers for a while: most often the gateway's role lacks the rights."""
        if time.monotonic() >= self._resumes_at:
            self._log.warning("left_to_workers", reason=str(refused), seconds=PAUSE_S)
        self._resumes_at = time.monotonic() + PAUSE_S

    async def _settled(self, batch: Sequence[JobRequest]) -> list[Outcome]:
        """Return what became of jobs that were lost sight of in the middle of their commit."""
        settling = (self._settle(wanted) for wanted in batch)
        settled = await asyncio.gather(*settling, return_exceptions=True)
        found = (one.view.job for one in settled if isinstance(one, Recorded))
        self._publish({job.id for job in found if job.ended})
        outcomes: list[Outcome] = []
        for one in settled:
            if isinstance(one, BaseException) and not isinstance(one, Exception):
                raise one
            outcomes.append(one.view if isinstance(one, Recorded) else one)
        return outcomes
