"""Publish what has ended in this process, beside the answers; recovery does what is left undone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.events import ending, outbox, relay

#: ends that wait here at most, while a server does not take them: more are left to recovery
MAX_WAITING = 10_000
#: how long a gateway that ends goes on publishing
END_S = 2.0


class Publisher:
    """Publishes ends of jobs, as many at once as wait."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._thread = Threads("relay", 1)
        self._ended: deque[UUID] = deque(maxlen=MAX_WAITING)
        self._running: asyncio.Task[None] | None = None

    def publish(self, job_ids: Collection[UUID]) -> None:
        """Publish the ends of these jobs, soon: nobody waits for it."""
        self._ended.extend(job_ids)
        if self._ended and self._running is None:
            self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Publish what has ended, for so long as a gateway may take to end."""
        if self._running is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._running), END_S)
        self._thread.close()

    async def _run(self) -> None:
        try:
            while self._ended:
                await asyncio.sleep(ending.GATHER_S)  # or each would be some round trips of its own
                some = [
                    self._ended.popleft() for _ in range(min(len(self._ended), outbox.MOST_AT_ONCE))
                ]
                await self._deliver(some)
        finally:
            self._running = None

    async def _deliver(self, job_ids: Collection[UUID]) -> None:
        try:
            await self._thread.run(relay.deliver, *job_ids)
        except TagsweepError as error:
            self._log.warning("left_to_recovery", reason=str(error))
        except Exception:  # noqa: BLE001  # what others have ended must be published too
            self._log.exception("left_to_recovery")
