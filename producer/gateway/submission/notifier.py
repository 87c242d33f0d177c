"""Requests and feeds that wait for jobs: all of them behind one subscription.

An event is a hint alone: whoever is woken reads the job's row. Hints come from the event stream at
once, and from the store's own feed within a second, so that one which is lost costs no more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker import database
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError
from tagsweep.worker.events import feed, outbox, sinks
from tagsweep.worker.jobs import queries
from tagsweep.worker.models import views
from tagsweep.worker.outages import Outage
from tagsweep.worker.settings import Settings

log = logging.getLogger(__name__)

#: how often the store's feed is looked at: for want of a stream while anybody waits; for feeds that
#: are open; else, as what catches a hint that was lost
EAGER_S, OPEN_S, CALM_S = 0.02, 0.2, 1.0
PROGRESS_S = 1.0
MOST_MOVED = 1_000


class Listener:
    """A feed that is open: what is new for its tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.moved = asyncio.Event()
        self._progress: dict[str, dict[str, Any]] = {}

    def tell(self, shown: dict[str, Any]) -> None:
        """Take how a running job stands; what was told before of it, and not taken, is outdated."""
        self._progress[shown["id"]] = shown
        self.moved.set()

    def take_progress(self) -> list[dict[str, Any]]:
        """Return, and forget, how running jobs stand."""
        taken, self._progress = list(self._progress.values()), {}
        return taken


class Waiting:
    """Everything that waits for jobs in this process."""

    def __init__(self, threads: Threads, settings: Settings) -> None:
        self._threads = threads
        self._target = settings.events_target
        self._waiters: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._listeners: set[Listener] = set()
        self._stop = threading.Event()
        self._poke = asyncio.Event()
        self._told: dict[str, Any] = {}
        self.give_up_at: float | None = None  #: by the loop's clock, once it is told to stop

    @contextmanager
    def job(self, job_id: UUID) -> Iterator[asyncio.Event]:
        """Yield what is set whenever something may have happened to the job."""
        woken = asyncio.Event()
        self._waiters[job_id].add(woken)
        self._poke.set()
        try:
            yield woken
        finally:
            self._waiters[job_id].discard(woken)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    @contextmanager
    def feed(self, tenant: str) -> Iterator[Listener]:
        """Yield what is told when there is something new for the tenant."""
        listener = Listener(tenant)
        self._listeners.add(listener)
        self._poke.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """Follow the store's feed, and with it how running jobs stand, until cancelled."""
        if self._target is not None:
            self._subscribe(self._target)
        position: int | None = None
        told_at = 0.0
        outage = Outage(log, "The store's feed can be read again")
        loop = asyncio.get_running_loop()
        while True:
            try:
                if position is None:
                    position = await self._threads.run(_last_position)
                    self.hint_all()
                position = await self._follow(position)
                if self._listeners and loop.time() - told_at > PROGRESS_S:
                    told_at = loop.time()
                    await self._tell_progress()
                outage.over()
            except TagsweepError as error:
                outage.failed(f"The store's feed cannot be read: {error}")
                await asyncio.sleep(CALM_S)
            self._poke.clear()
            try:
                await asyncio.wait_for(self._poke.wait(), self._pause())
            except TimeoutError:
                continue
            await asyncio.sleep(EAGER_S)  # whatever pokes: not more often than this

    def close(self, seconds: float) -> None:
        """Let nobody wait longer than ``seconds`` from now, and no feed at all."""
        self.give_up_at = asyncio.get_running_loop().time() + seconds
        self._stop.set()
        self.hint_all()

    def hint(self, job_id: UUID) -> None:
        """Wake those who wait for the job."""
        for woken in self._waiters.get(job_id, ()):
            woken.set()

    def hint_all(self) -> None:
        """Wake everybody: hints may have been lost."""
        for waiters in self._waiters.values():
            for woken in waiters:
                woken.set()
        for listener in self._listeners:
            listener.moved.set()

    def _pause(self) -> float:
        if self._target is None and self._waiters:
            return EAGER_S
        return OPEN_S if self._listeners else CALM_S

    async def _follow(self, position: int) -> int:
        moved = await self._threads.run(_moved, position)
        for row in moved:
            position = row.position
            self.hint(row.job_id)
        tenants = {row.tenant for row in moved}
        for listener in self._listeners:
            if listener.tenant in tenants:
                listener.moved.set()
        if len(moved) == MOST_MOVED:
            self._poke.set()
        return position

    async def _tell_progress(self) -> None:
        tenants = {listener.tenant for listener in self._listeners}
        running = await self._threads.run(_running, tenants)
        now = {shown["id"]: shown for shown in running}
        for job_id, shown in now.items():
            if self._told.get(job_id) == shown["counts"]:
                continue
            for listener in self._listeners:
                if listener.tenant == shown["tenant"]:
                    listener.tell(shown)
        self._told = {job_id: shown["counts"] for job_id, shown in now.items()}

    def _subscribe(self, url: str) -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(
            target=self._listen, args=[url, loop], name="tagsweep-events", daemon=True
        )
        thread.start()

    def _listen(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        """Turn events into hints, in a thread, for as long as the gateway lives."""
        sink = sinks.sink_for(url)
        outage = Outage(log, "Events come from their stream again")
        while not self._stop.is_set():
            try:
                fresh = True
                for event in sink.follow(url):
                    if self._stop.is_set():
                        return
                    if fresh:
                        outage.over()
                        _call(loop, self.hint_all)
                        fresh = False
                    job_id = event and _subject(event)
                    if job_id:
                        _call(loop, self._hint_and_poke, job_id)
            except BrokerUnavailable as error:
                outage.failed(f"{error} Waiting requests are served from the store.")
                self._stop.wait(CALM_S)

    def _hint_and_poke(self, job_id: UUID) -> None:
        self.hint(job_id)
        if self._listeners:
            self._poke.set()


def _call(loop: asyncio.AbstractEventLoop, step: Any, *arguments: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(step, *arguments)


def _subject(event: str) -> UUID | None:
    try:
        return UUID(json.loads(event)["subject"])
    except (ValueError, KeyError, TypeError):  # somebody else's event
        return None


def _last_position() -> int:
    with database.reading() as connection:
        return feed.bounds(connection).last


def _moved(position: int) -> list[Any]:
    with database.reading() as connection:
        return list(outbox.moved(connection, position, MOST_MOVED))


def _running(tenants: set[str]) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [views.of(job, None) for job in queries.running(connection, tenants)]
