"""Wakes requests and feeds that wait for jobs, all of them behind one subscription.

An event is only a hint: whoever is woken reads the job's row. Hints come from the event sink at
once, and from the store's own feed within a second, so a lost hint costs no more than that. While
nobody waits, the feed is not read.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from tagsweep.producer.gateway.submission import feed, news
from tagsweep.producer.gateway.submission.news import News
from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError
from tagsweep.worker.events import sinks
from tagsweep.worker.outages import Outage
from tagsweep.worker.settings import Settings

log = logging.getLogger(__name__)

#: how often the store's feed is read: if requests wait and there is no sink; if feeds are open;
#: otherwise, to make up for lost hints
EAGER_S, OPEN_S, CALM_S = 0.02, 0.2, 1.0
PROGRESS_S = 1.0
MAX_ROWS = 1_000


class Listener:
    """An open feed: what is new for its tenant, or for all (None)."""

    def __init__(self, tenant: str | None, *, calm: bool = False) -> None:
        self.tenant = tenant
        self.calm = calm  #: it need not hear of ends sooner than of progress
        self.moved = asyncio.Event()
        self._ended: set[str] = set()
        self._progress: dict[str, dict[str, Any]] = {}

    def update(self, shown: dict[str, Any]) -> None:
        """Note the progress of a running job, in place of older progress not yet taken."""
        self._progress[shown["id"]] = shown
        self.moved.set()

    def hears(self, tenant: str | None) -> bool:
        """Return whether what happens to a tenant's jobs is for this feed."""
        return self.tenant is None or self.tenant == tenant

    def note_ends(self, job_ids: Iterable[str]) -> None:
        """Note that these jobs have ended."""
        self._ended.update(job_ids)
        self.moved.set()

    def take_ended(self) -> set[str]:
        """Return the ids of jobs that have ended since the last call."""
        taken, self._ended = self._ended, set()
        return taken

    def take_progress(self) -> list[dict[str, Any]]:
        """Return the progress of running jobs that was noted since the last call."""
        taken, self._progress = list(self._progress.values()), {}
        return taken


class Notifier:
    """Wakes everything that waits for jobs in this process."""

    def __init__(self, threads: Threads, settings: Settings) -> None:
        self._threads = threads
        self._target = settings.events_target
        self._waiters: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._listeners: set[Listener] = set()
        self._stop = threading.Event()
        self._poke = asyncio.Event()
        self._shown: dict[str, Any] = {}
        self.news = News()
        self.give_up_at: float | None = None  #: by the loop's clock, once the gateway is stopping

    @contextmanager
    def job(self, job_id: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever something may have happened to the job."""
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
    def feed(self, tenant: str | None, *, calm: bool = False) -> Iterator[Listener]:
        """Yield a listener that is notified when there is something new for the tenant."""
        listener = Listener(tenant, calm=calm)
        self._listeners.add(listener)
        self._poke.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def run(self) -> None:
        """Follow the store's feed, and the progress of running jobs, until cancelled."""
        if self._target is not None:
            self._subscribe(self._target)
        position: int | None = None
        shown_at = 0.0
        outage = Outage(log, "The store's feed can be read again")
        loop = asyncio.get_running_loop()
        while True:
            try:
                if position is None:
                    position = (await self._threads.run(feed.bounds)).last
                    self.hint_all()
                position = await self._follow(position)
                if self._listeners and loop.time() - shown_at > PROGRESS_S:
                    shown_at = loop.time()
                    await self._show_progress()
                outage.over()
            except TagsweepError as error:
                outage.failed(f"The store's feed cannot be read: {error}")
                await asyncio.sleep(CALM_S)
            self._poke.clear()
            if await self._rest():
                position = None

    def close(self, seconds: float) -> None:
        """End all feeds now, and all waiting within ``seconds``."""
        self.give_up_at = asyncio.get_running_loop().time() + seconds
        self._stop.set()
        self.hint_all()

    def hint(self, job_id: UUID) -> None:
        """Wake the requests that wait for the job."""
        for woken in self._waiters.get(job_id, ()):
            woken.set()

    def hint_all(self) -> None:
        """Wake all requests and feeds: hints may have been lost."""
        self.news.add()
        for waiters in self._waiters.values():
            for woken in waiters:
                woken.set()
        for listener in self._listeners:
            listener.moved.set()

    async def _rest(self) -> bool:
        """Wait until the feed is to be read again; return whether nobody waited for it before."""
        pause = self._pause()
        try:
            await asyncio.wait_for(self._poke.wait(), pause)
        except TimeoutError:
            return False
        await asyncio.sleep(EAGER_S)  # no more often than this, however often it is poked
        return pause is None

    def _pause(self) -> float | None:
        if not self._waiters and not self._listeners:
            return None
        if self._target is None and self._waiters:
            return EAGER_S
        return CALM_S if all(listener.calm for listener in self._listeners) else OPEN_S

    async def _follow(self, position: int) -> int:
        rows = await self._threads.run(feed.after, position, MAX_ROWS)
        for row in rows:
            position = row.position
            self.hint(row.job_id)
        ended: dict[str | None, list[str]] = defaultdict(list)
        for row in rows:
            ended[row.tenant].append(str(row.job_id))
        if rows:
            self.news.add()
        for listener in self._listeners:
            for job_ids in (ids for tenant, ids in ended.items() if listener.hears(tenant)):
                listener.note_ends(job_ids)
        if len(rows) == MAX_ROWS:
            self._poke.set()
        return position

    async def _show_progress(self) -> None:
        heard = {listener.tenant for listener in self._listeners}
        tenants = None if None in heard else {tenant for tenant in heard if tenant is not None}
        running = await self._threads.run(feed.running, tenants)
        now = {shown["id"]: shown for shown in running}
        self.news.add()
        known, self._shown = self._shown, {one: news.of_running(now[one]) for one in now}
        for job_id, shown in now.items():
            if known.get(job_id) == self._shown[job_id]:
                continue
            for listener in self._listeners:
                if listener.hears(shown["tenant"]):
                    listener.update(shown)

    def _subscribe(self, url: str) -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(
            target=self._listen, args=[url, loop], name="tagsweep-events", daemon=True
        )
        thread.start()

    def _listen(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        """Turn events into hints, in a thread, for as long as the gateway runs."""
        sink = sinks.sink_for(url)
        outage = Outage(log, "Events are received again")
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
        if any(not listener.calm for listener in self._listeners):
            self._poke.set()


def _call(loop: asyncio.AbstractEventLoop, step: Any, *arguments: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(step, *arguments)


def _subject(event: str) -> UUID | None:
    try:
        return UUID(json.loads(event)["subject"])
    except (ValueError, KeyError, TypeError):  # an event of somebody else
        return None
