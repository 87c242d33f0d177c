"""The sender: from the feed to deliveries, from deliveries to receivers, until it is stopped.

It waits for receivers in one thread, however many they are; a slow one keeps only the places of its
own webhook. What it does not finish another sender does, once its claims are over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from tagsweep.worker import database, settings
from tagsweep.worker.errors import SettingsError, TagsweepError
from tagsweep.worker.outages import Outage
from tagsweep.worker.webhooks import fanout, schedule, signing
from tagsweep.worker.webhooks.posting import Poster
from tagsweep.worker.webhooks.schedule import IN_ALL, PER_TENANT, PER_WEBHOOK, Attempt

log = logging.getLogger(__name__)

#: seconds between two looks: after one that found something, and after one that did not
SOON_S, EVERY_S = 0.02, 0.25
#: seconds that deliveries in flight have at the end
END_S = 0.5
#: how long a webhook is left alone whose secret cannot be opened
CLOSED_S = 60.0
RESOLVERS = 32

OFF = "Webhook %s is switched off: %s"
_closed = Outage(log, "The secrets of webhooks can be opened again")
_outage = Outage(log, "Webhooks are sent again")

#: a delivery, and what became of it
Outcome = tuple[Row[Any], Attempt]


class Sender:
    """Sends what is due, some of it at the same time."""

    def __init__(self, may_go_on: Callable[[], bool]) -> None:
        self._may_go_on = may_go_on  #: asked in a thread, every time before anything is sent
        self._poster = Poster(RESOLVERS, settings.load().webhooks_timeout_s)
        self._store = ThreadPoolExecutor(1, "tagsweep-webhooks-store")
        self._flights: set[asyncio.Task[None]] = set()
        self._per_webhook: Counter[UUID] = Counter()
        self._per_tenant: Counter[str] = Counter()
        self._closed: dict[UUID, float] = {}  #: until when webhooks are left alone
        self._outcomes: list[Outcome] = []

    def run(self) -> None:
        """Send until ``may_go_on`` says no; what is in flight then is left to another sender."""
        try:
            asyncio.run(self._run())
        finally:
            self._poster.close()
            self._store.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        while await self._in_store(self._may_go_on):
            try:
                busy = await self._look()
                _outage.over()
            except TagsweepError as error:
                busy = False
                _outage.failed(f"Webhooks: {error}")
            if self._flights and not busy:
                await asyncio.wait(
                    self._flights, timeout=EVERY_S, return_when=asyncio.FIRST_COMPLETED
                )
            await asyncio.sleep(SOON_S if busy or self._outcomes else EVERY_S)
        if self._flights:
            await asyncio.wait(self._flights, timeout=END_S)
        await self._note()

    async def _look(self) -> bool:
        """Note what has been sent, read the feed, and send what is due; return whether any was."""
        await self._note()
        read = await self._in_store(fanout.run)
        started = 0
        room = IN_ALL - len(self._flights)
        for hook in await self._in_store(self._due) if room > 0 else []:
            started += await self._send_to(hook)
        return bool(read or started)

    def _due(self) -> list[Row[Any]]:
        now = time.monotonic()
        self._closed = {id_: until for id_, until in self._closed.items() if until > now}
        full = [id_ for id_, count in self._per_webhook.items() if count >= PER_WEBHOOK]
        with database.reading() as connection:
            return list(schedule.due(connection, [*full, *self._closed]))

    async def _send_to(self, hook: Row[Any]) -> int:
        """Start deliveries to a webhook; return how many."""
        room = min(
            PER_WEBHOOK - self._per_webhook[hook.id],
            PER_TENANT - self._per_tenant[hook.tenant],
            IN_ALL - len(self._flights),
        )
        if room <= 0 or (hook.failures and self._per_webhook[hook.id]):
            return 0
        secrets = self._secrets(hook)
        if secrets is None:
            return 0
        rows = await self._in_store(self._claim, hook.id, room)
        for row in rows:
            self._per_webhook[hook.id] += 1
            self._per_tenant[hook.tenant] += 1
            flight = asyncio.create_task(self._fly(hook, row, secrets))
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        return len(rows)

    def _claim(self, webhook_id: UUID, room: int) -> list[Row[Any]]:
        with database.transaction() as connection:
            return list(schedule.claim(connection, webhook_id, room))

    def _secrets(self, hook: Row[Any]) -> list[str] | None:
        """Return the secrets to sign with; None if they cannot be opened here."""
        previous = hook.sealed_previous if hook.overlaps else None
        try:
            return signing.secrets_of(hook.holder, hook.sealed_secret, previous)
        except SettingsError as error:
            self._closed[hook.id] = time.monotonic() + CLOSED_S
            _closed.failed(f"{error} Its deliveries wait for a worker that has the key.")
            return None

    async def _fly(self, hook: Row[Any], row: Row[Any], secrets: list[str]) -> None:
        try:
            headers = signing.headers(row.event_id, int(time.time()), row.body, secrets)
            attempt = await self._poster.post(hook.url, headers, row.body)
            self._outcomes.append((row, attempt))
        finally:
            self._per_webhook[hook.id] -= 1
            self._per_tenant[hook.tenant] -= 1

    async def _note(self) -> None:
        """Record what became of deliveries; if the store does not take it now, it may later."""
        outcomes = list(self._outcomes)
        if outcomes:
            off = await self._in_store(_noted, outcomes)
            del self._outcomes[: len(outcomes)]
            for line in off:
                log.warning(OFF, *line)

    async def _in_store(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._store, work, *arguments)


def _noted(outcomes: list[Outcome]) -> list[tuple[UUID, str]]:
    """Record outcomes; return which webhooks are switched off, and why."""
    off = []
    with database.transaction() as connection:
        for row, attempt in outcomes:
            if reason := schedule.note(connection, row, attempt):
                off.append((row.webhook_id, reason))
    return off
