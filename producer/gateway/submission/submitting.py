"""Submit a request's job: record it, start it, wait for it; whatever fails, the answer is true.

* 202 is answered only if the job is committed and nobody withdraws it.
* 503 is answered only if nothing was done and nothing will be.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from starlette.requests import Request

from tagsweep.producer.gateway import errors
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests.limits import Places
from tagsweep.producer.gateway.submission import transactions
from tagsweep.producer.gateway.submission.batching import Batches
from tagsweep.producer.gateway.submission.job_request import JobRequest
from tagsweep.producer.gateway.submission.notifier import Notifier
from tagsweep.producer.gateway.submission.publishing import Publisher
from tagsweep.producer.gateway.submission.transactions import Recorded, View
from tagsweep.producer.gateway.threadpool import (
    PATIENCE_S,
    SLOW,
    Gate,
    Threads,
)
from tagsweep.worker.errors import BrokerUnavailable, Retryable
from tagsweep.worker.jobs import dispatch, recording
from tagsweep.worker.webhooks import callbacks

#: how long the broker may take to accept that a job is to start
START_S = 1.0
#: bytes of ids that the store takes per second at the very least
BYTES_PER_S = 2_000_000

WITHDRAWN = "The broker does not answer."
UNKNOWN = (
    "The store was lost while job {id} was being recorded: it is not known whether it is recorded. "
    "GET /api/v1/jobs/{id} tells; the same Idempotency-Key again never does it twice."
)


class Submission:
    """Takes jobs from requests, and waits until they have ended."""

    def __init__(  # noqa: PLR0913  # all that its requests share
        self,
        store: Threads,
        broker: Threads,
        notifier: Notifier,
        places: Places,
        *,
        publisher: Publisher,
        item_limit: int,
    ) -> None:
        self._store = store
        self._broker = broker
        self._notifier = notifier
        self._places = places
        self._batches = Batches(store, item_limit, publisher.publish, self._settle)

    async def submit(self, request: Request, wanted: JobRequest) -> View:
        """Return the job once it has ended, or as it is when its sender has waited long enough.

        Raises Refusal, UnknownWorkspace, Taken: then nothing was done and nothing will be, except
        for a 500, which says that this is not known.
        """
        if not wanted.wait_s:
            recorded = await self._begin(request, wanted)
            return replace(recorded.view, replayed=not recorded.created)
        deadline = asyncio.get_running_loop().time() + wanted.wait_s
        with self._places.one():
            if self._batches.takes(wanted) and (done := await self._batches.do(wanted)):
                request.state.account.job = wanted.job_id
                return done
            with self._notifier.job(wanted.job_id) as woken:
                recorded = await self._begin(request, wanted)
                view = await self._until_ended(request, wanted, recorded, woken, deadline)
                return replace(view, replayed=not recorded.created)

    async def _begin(self, request: Request, wanted: JobRequest) -> Recorded:
        """Record the job and ask a worker to start it; withdraw it if no worker can be asked."""
        await self._check_callback(wanted)
        recorded = await self._record(wanted)
        request.state.account.job = wanted.job_id
        if not recorded.created:
            return recorded
        problem = await self._start(wanted.job_id)
        if problem is None or wanted.nonce is None:
            return recorded
        try:
            withdrawn = await self._store.run(transactions.withdraw, wanted.job_id, wanted.nonce)
        except Retryable:
            raise Refusal(500, UNKNOWN.format(id=wanted.job_id)) from None
        if withdrawn:
            raise errors.unavailable(problem)
        return recorded

    async def _check_callback(self, wanted: JobRequest) -> None:
        """Refuse a job that cannot be called back; while its name is resolved, nothing is held."""
        if wanted.job.callback_url is None:
            return
        try:
            url = await self._store.run(recording.callback_to_check, wanted.job_id, wanted.job)
        except Retryable as error:
            raise errors.down(error) from error
        if url is not None:
            await callbacks.check_address_async(url)

    async def _record(self, wanted: JobRequest) -> Recorded:
        start = time.monotonic()
        job = wanted.job
        size = sum(map(len, (*job.packed().values(), *job.packed_resources().values())))
        patience = self._store.patience_s + size / BYTES_PER_S
        while True:
            gate = Gate()
            try:
                return await self._store.patiently(patience, transactions.record, gate, wanted)
            except Retryable as error:
                if not gate.close():
                    return await self._settle(wanted)
                if time.monotonic() - start > PATIENCE_S / 2 or str(error) == SLOW:
                    raise errors.down(error) from error

    async def _settle(self, wanted: JobRequest) -> Recorded:
        try:
            recorded = await self._store.run(transactions.settle, wanted)
        except Retryable:
            recorded = None
        if recorded is None:
            raise Refusal(500, UNKNOWN.format(id=wanted.job_id))
        return recorded

    async def _start(self, job_id: UUID) -> str | None:
        """Ask a worker to start the job; if the broker does not take that, return why."""
        try:
            await self._broker.patiently(START_S, dispatch.start, job_id)
        except BrokerUnavailable as error:
            return error.public
        return None

    async def _until_ended(
        self,
        request: Request,
        wanted: JobRequest,
        recorded: Recorded,
        woken: asyncio.Event,
        deadline: float,
    ) -> View:
        """Wait for the job to end; its row is read before anything is answered."""
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(_until_gone(request))
        view: View | None = recorded.view
        try:
            while view is not None and not view.job.ended and not gone.done():
                left = min(deadline, self._notifier.give_up_at or deadline) - loop.time()
                if left <= 0:
                    return await self._promised(wanted, view)
                await _first(woken, gone, left)
                if woken.is_set():
                    woken.clear()
                    view = await self._look(wanted, view)
        finally:
            gone.cancel()
        if view is None:
            raise errors.unavailable(WITHDRAWN)
        return view

    async def _look(self, wanted: JobRequest, known: View) -> View | None:
        try:
            return await self._store.run(transactions.view, wanted.job_id, wanted.job.tenant)
        except Retryable:  # the store may be back before the time is up
            await asyncio.sleep(PATIENCE_S)
            return known

    async def _promised(self, wanted: JobRequest, known: View) -> View:
        try:
            view = await self._store.run(transactions.promise, wanted.job_id, wanted.job.tenant)
        except Retryable:
            return known  # it is recorded, and will be done when the store is back
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
