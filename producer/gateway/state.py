"""The state of the gateway: what all requests share, from start to shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Any

import structlog
from starlette.requests import Request

from tagsweep.producer.gateway import threadpool
from tagsweep.producer.gateway.auth import callers
from tagsweep.producer.gateway.auth.callers import Caller, Callers, one_key
from tagsweep.producer.gateway.auth.open_sessions import OpenSessions
from tagsweep.producer.gateway.auth.sessions import Lifetime
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.metrics import Metrics
from tagsweep.producer.gateway.requests.bodies import Bodies
from tagsweep.producer.gateway.requests.limits import Places, Rates, SignIns
from tagsweep.producer.gateway.shared import Shared
from tagsweep.producer.gateway.submission.notifier import Notifier
from tagsweep.producer.gateway.submission.publishing import Publisher
from tagsweep.producer.gateway.submission.submitting import Submission
from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.chunks import timings
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError
from tagsweep.worker.settings import Settings, scheme

#: no more than the engine has connections
STORE_THREADS = 10
BROKER_THREADS = 4
#: for receipts alone, which may be long: no other request waits for them
READER_THREADS = 2
MOST_RECEIPTS = 20
#: for what is done with webhooks, which may wait for a name to be resolved: no other request does
WEBHOOK_THREADS = 4

NO_KEY = "Authentication credentials were not provided."
WRONG_KEY = "Invalid API key."
ADMIN = "An admin key belongs to no tenant: use a key of the tenant."
BUSY = "Too many requests are waiting."


class Gateway:
    """What all requests of this process share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log: Any = structlog.get_logger("tagsweep.gateway")
        self.store = Threads("store", STORE_THREADS, _patience_s(settings))
        self.broker = Threads("broker", BROKER_THREADS, slow=BrokerUnavailable)
        self.readers = Threads("readers", READER_THREADS)
        self.webhooks = Threads("webhooks", WEBHOOK_THREADS, _patience_s(settings))
        self.receipts = Places(MOST_RECEIPTS, "Too many receipts are read at once.")
        self.bodies = Bodies()
        self.rates = Rates(settings.requests_per_s)
        self.sign_ins = SignIns()
        self.callers = Callers(self.store)
        self.shared = Shared()
        self.sessions = OpenSessions(self.store, Lifetime.of(settings))
        self.notifier = Notifier(self.store, settings)
        self.places = Places(settings.waiting_requests, BUSY)
        self.feeds = Places(settings.waiting_requests, "Too many feeds are open at once.")
        self.metrics = Metrics(self.store, self.places, self.feeds)
        self.readiness = (float("-inf"), "")  #: when it was checked, and what was wrong then
        self.draining = False  #: whether it is stopping, but still serves
        self.publisher = Publisher(self.log)
        self._later: set[asyncio.Task[None]] = set()

    @cached_property
    def submission(self) -> Submission:
        """Takes the jobs of requests."""
        return Submission(
            self.store,
            self.broker,
            self.notifier,
            self.places,
            publisher=self.publisher,
            item_limit=self.settings.inline_items,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow what happens to jobs, and record the use of credentials, during the block."""
        tasks = [
            asyncio.create_task(self._connect_to_broker()),
            asyncio.create_task(self.notifier.run()),
            asyncio.create_task(self._note_use_regularly()),
            asyncio.create_task(self._hand_in_times()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, *self._later, return_exceptions=True)
            await self.publisher.close()
            await self._note_use()
            self.close()

    async def _connect_to_broker(self) -> None:
        """Connect in advance: the first request need not wait for the connection."""
        with suppress(TagsweepError):  # the first request tries again
            await self.broker.run(sending.connect, app())

    def later(self, step: Coroutine[Any, Any, None]) -> None:
        """Run ``step`` in the background; recovery does what it leaves undone."""
        task = asyncio.create_task(self._quietly(step))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _quietly(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            await step
        except TagsweepError as error:
            self.log.warning("left_to_recovery", reason=str(error))

    def stop(self) -> None:
        """Answer waiting requests soon and end feeds now: the gateway is stopping."""
        self.notifier.close(self.settings.shutdown_s / 2)

    def close(self) -> None:
        """Release threads and processes."""
        self.bodies.close()
        self.store.close()
        self.readers.close()
        self.webhooks.close()
        self.broker.close()

    async def caller_by_key(self, request: Request, *scopes: str, spanning: bool = False) -> Caller:
        """Return the caller with this x-api-key, who has one of the scopes.

        Without any, the method decides: ``read``, or else ``write``. ``spanning``: an admin may
        call, who belongs to no tenant. Raises Refusal (401, 403, 429).
        """
        key = one_key(request.headers, "x-api-key")
        if not key:
            raise Refusal(401, NO_KEY)
        caller = await self.callers.by_key(key)
        if caller is None:
            raise Refusal(401, WRONG_KEY)
        self.admit(request, caller, *scopes)
        if caller.admin and not spanning:
            raise Refusal(403, ADMIN)
        return caller

    def admit(self, request: Request, caller: Caller, *scopes: str) -> None:
        """Note whose request this is.

        Raises Refusal: 429 if the tenant sends too many, 403 if the key has none of ``scopes``.
        """
        request.state.account.tenant = caller.tenant
        self.rates.take(caller.tenant)
        allow(caller, *(scopes or ("read" if request.method == "GET" else "write",)))

    async def _hand_in_times(self) -> None:
        """Add how long the chunks done here took to what the store counts."""
        while True:
            await asyncio.sleep(timings.EVERY_S)
            with suppress(TagsweepError):
                await self.store.run(timings.hand_in)

    async def _note_use_regularly(self) -> None:
        while True:
            await asyncio.sleep(callers.NOTED_EVERY_S)
            await self._note_use()

    async def _note_use(self) -> None:
        used = self.callers.take_used()
        try:
            await self.store.run(callers.note_use, used)
        except TagsweepError as error:
            self.log.warning("use_not_noted", reason=str(error))


def allow(caller: Caller, *scopes: str) -> None:
    """Raise Refusal (403) if the caller's key has none of ``scopes``."""
    if caller.scopes.isdisjoint(scopes):
        raise Refusal(403, f"The key lacks the scope {' or '.join(scopes)}.")


def _patience_s(settings: Settings) -> float:
    is_file = scheme(settings.database_url).startswith("sqlite")
    return threadpool.PATIENCE_WITH_FILE_S if is_file else threadpool.PATIENCE_S


def of(request: Request) -> Gateway:
    """Return the gateway that serves ``request``."""
    gateway: Gateway = request.app.state.gateway
    return gateway
