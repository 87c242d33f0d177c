"""The way of a request: recorded, told to a worker, waited for; whatever fails, the answer is true.

* 202 is said only of what is committed, and what nobody takes back.
* 503 is said only where nothing was done and nothing will be.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

from starlette.requests import Request

from tagsweep.producer import transactional
from tagsweep.producer.gateway import errors
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests import preferences
from tagsweep.producer.gateway.requests.limits import Places
from tagsweep.producer.gateway.requests.preferences import Preference
from tagsweep.producer.gateway.submission import transactions
from tagsweep.producer.gateway.submission.notifier import Waiting
from tagsweep.producer.gateway.submission.transactions import Order, Recorded, View
from tagsweep.producer.gateway.threadpool import (
    PATIENCE_S,
    SLOW,
    Gate,
    Threads,
)
from tagsweep.worker.errors import BrokerUnavailable, Retryable
from tagsweep.worker.models.jobs import Job

#: of ids that are made of what a request says of itself
NAMESPACE = UUID("6c2e9a5e-6d0c-4a0e-9b6f-0d7c6f1d3b52")
NUDGE_S = 1.0
#: bytes of ids that the store takes in a second, at the very least
BYTES_PER_S = 2_000_000

WITHDRAWN = "The broker does not answer."
UNKNOWN = (
    "The store was lost at the very moment of recording: whether job {id} is recorded is not known "
    "here. GET /api/v1/jobs/{id} tells; the same Idempotency-Key again never does it twice."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid job, and how its sender wants to be answered."""

    job: Job
    preference: Preference
    job_id: UUID
    fingerprint: bytes
    workspace: str | None = None

    def order(self) -> Order:
        """Return it as it is recorded: to be taken back only where nobody is promised anything."""
        nonce = None if self.preference.respond_async else uuid4().hex
        return Order(self.job, self.job_id, self.fingerprint, nonce, self.workspace)


def asked(  # noqa: PLR0913  # a signature and a workspace has only one contract
    request: Request,
    caller: Caller,
    job: Job,
    preference: Preference,
    *,
    signature: str | None = None,
    workspace: str | None = None,
) -> Asked:
    """Return what the request asks for, under the id that it comes to.

    The same Idempotency-Key, or the same signature, of a tenant is the same id: then the store's
    own uniqueness makes a second job impossible, whichever gateway takes it.
    """
    key = preferences.idempotency_key(request.headers)
    if key is not None:
        job_id = uuid5(NAMESPACE, f"key\n{caller.tenant}\n{key}")
        path = request.scope["path"].rstrip("/")
        fingerprint = hashlib.sha256(path.encode() + b"\n" + job.fingerprint()).digest()
        return Asked(job, preference, job_id, fingerprint, workspace)
    if signature is not None:
        job_id = uuid5(NAMESPACE, f"signature\n{caller.tenant}\n{signature}")
    else:
        job_id = uuid4()
    return Asked(job, preference, job_id, job.fingerprint(), workspace)


class Submission:
    """Takes jobs from requests, and waits for their ends."""

    def __init__(self, store: Threads, broker: Threads, waiting: Waiting, places: Places) -> None:
        self._store = store
        self._broker = broker
        self._waiting = waiting
        self._places = places

    async def submit(self, request: Request, asked: Asked) -> View:
        """Return the job at its end, or as it is when the time is up that its sender would wait.

        Raises Refusal, UnknownWorkspace, Taken: then nothing was done and nothing will be, but for
        a 500, which says that this is not known.
        """
        if not asked.preference.wait_s:
            return (await self._begin(request, asked)).view
        with self._places.one(), self._waiting.job(asked.job_id) as woken:
            recorded = await self._begin(request, asked)
            return await self._until_ended(request, asked, recorded, woken)

    async def _begin(self, request: Request, asked: Asked) -> Recorded:
        """Record the job and tell a worker; taken back where no worker can be told of it."""
        order = asked.order()
        recorded = await self._record(order)
        request.state.account.job = order.job_id
        if not recorded.created:
            return recorded
        problem = await self._nudge(order.job_id)
        if problem is None or order.nonce is None:
            return recorded
        try:
            withdrawn = await self._store.run(transactions.withdraw, order.job_id, order.nonce)
        except Retryable:
            raise Refusal(500, UNKNOWN.format(id=order.job_id)) from None
        if withdrawn:
            raise errors.unavailable(problem)
        return recorded

    async def _record(self, order: Order) -> Recorded:
        start = time.monotonic()
        patience = self._store.patience_s + sum(map(len, order.job.packed().values())) / BYTES_PER_S
        while True:
            gate = Gate()
            try:
                return await self._store.patiently(patience, transactions.record, gate, order)
            except Retryable as error:
                if not gate.close():
                    return await self._settle(order)
                if time.monotonic() - start > PATIENCE_S / 2 or str(error) == SLOW:
                    raise errors.down(error) from error

    async def _settle(self, order: Order) -> Recorded:
        try:
            found = await self._store.run(transactions.settle, order)
        except Retryable:
            found = None
        if found is None:
            raise Refusal(500, UNKNOWN.format(id=order.job_id))
        return found

    async def _nudge(self, job_id: UUID) -> str | None:
        """Tell a worker of the job; return, where the broker does not take that, what is wrong."""
        try:
            await self._broker.patiently(NUDGE_S, transactional.announce, job_id)
        except BrokerUnavailable as error:
            return error.public
        return None

    async def _until_ended(
        self, request: Request, asked: Asked, recorded: Recorded, woken: asyncio.Event
    ) -> View:
        """Wait for the job's end; the row is read before anything is said of it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + asked.preference.wait_s
        gone = asyncio.ensure_future(_until_gone(request))
        view: View | None = recorded.view
        try:
            while view is not None and not view.job.ended and not gone.done():
                left = min(deadline, self._waiting.give_up_at or deadline) - loop.time()
                if left <= 0:
                    return await self._promised(asked, view)
                await _first(woken, gone, left)
                if woken.is_set():
                    woken.clear()
                    view = await self._look(asked, view)
        finally:
            gone.cancel()
        if view is None:
            raise errors.unavailable(WITHDRAWN)
        return view

    async def _look(self, asked: Asked, known: View) -> View | None:
        try:
            return await self._store.run(transactions.view, asked.job_id, asked.job.tenant)
        except Retryable:  # it may be back before the time is up
            await asyncio.sleep(PATIENCE_S)
            return known

    async def _promised(self, asked: Asked, known: View) -> View:
        try:
            view = await self._store.run(transactions.promise, asked.job_id, asked.job.tenant)
        except Retryable:
            return known  # recorded it is, and it will be done when the store is back
        if view is None:
            raise errors.unavailable(WITHDRAWN)
        return view


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _first(woken: asyncio.Event, gone: asyncio.Future[None], seconds: float) -> None:
    waker = asyncio.ensure_future(woken.wait())
    either: set[asyncio.Future[Any]] = {waker, gone}
    try:
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waker.cancel()
