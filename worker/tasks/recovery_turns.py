"""Recovery in turns: by the worker that holds a lease in the store, and by no other.

One other worker looks every few seconds whether that one is still there, the rest seldom: however
many workers idle, the store hardly notices. Two that recover at once, since one was paused, do no
harm.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import suppress
from uuid import uuid4

from tagsweep.worker import database, settings
from tagsweep.worker.activity import heartbeats
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.database import Connection, lease
from tagsweep.worker.errors import Retryable, StoreRefused, TagsweepError
from tagsweep.worker.outages import Outage
from tagsweep.worker.tasks import recover

log = logging.getLogger(__name__)

#: seconds that a lease lasts, and after which it is renewed
LEASE_S, RENEW_S = 9, 3
#: seconds between looks of the holder: while there is anything to do, and if there was nothing for
#: CALM_AFTER_S; what a service records in its own transaction, without a message, waits for them
EVERY_S, CALM_S, CALM_AFTER_S = 1.0, 2.0, 30
#: seconds between looks of the next in line; of the others, at most
NEXT_S, SELDOM_S = 3.0, 30.0

#: names this worker in a lease: the pool processes that are forked from here share it
WORKER = uuid4().hex

_outage = Outage(log, "Recovery works again")


def take(stop: threading.Event) -> None:
    """Recover whenever it is this worker's turn, until ``stop`` is set; then leave it to another.

    On the embedded broker every process works on what is open in the store: each recovers.
    """
    turns = Alone() if settings.load().embedded else Turns(WORKER)
    while not stop.is_set():
        stop.wait(turns.look())
    turns.end()


class Alone:
    """Recovery without a lease."""

    def __init__(self) -> None:
        self._beat_at = 0.0  #: by the monotonic clock: when the store is told again of this worker

    def look(self) -> float:
        """Recover, if it is this worker's turn; return after how many seconds to look again."""
        try:
            steps = self._due()
            if steps is None:
                return self._pause()
            recover.do(steps)
            _outage.over()
            return self._pace(steps)
        except TagsweepError as error:
            _outage.failed(f"Recovery: {error}")
        except Exception:
            log.exception("Recovery was stopped.")
        return EVERY_S

    def end(self) -> None:
        """Leave recovery to another worker."""
        with suppress(TagsweepError), database.transaction() as connection:
            self._leave(connection)

    def _due(self) -> list[str] | None:
        """Return the steps that are due; None if it is another worker's turn."""
        if time.monotonic() >= self._beat_at:
            with suppress(Retryable), database.transaction() as connection:
                self._beat(connection)
        with database.reading() as connection:
            return recover.due(connection)

    def _beat(self, connection: Connection) -> None:
        """Note in the store that this worker is there, unless that was done a short while ago."""
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + heartbeats.EVERY_S
        with suppress(StoreRefused), database.savepoint(connection):
            for node in pool_process.nodes[-1:]:
                heartbeats.beat(connection, *node)

    def _leave(self, connection: Connection) -> None:
        with suppress(StoreRefused), database.savepoint(connection):
            for node in pool_process.nodes[-1:]:
                heartbeats.end(connection, node.name)

    def _pause(self) -> float:
        return EVERY_S

    def _pace(self, _: list[str]) -> float:
        return EVERY_S


class Turns(Alone):
    """Recovery under a lease."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker
        self._renew_at = 0.0  #: by the monotonic clock; 0: another worker holds the lease
        self._is_next = False
        self._seldom = NEXT_S / 2
        self._busy_at = time.monotonic()

    def end(self) -> None:
        """Give up the leases, so that another worker need not wait until they are over."""
        with suppress(TagsweepError), database.transaction() as connection:
            for name in (lease.RECOVERY, lease.NEXT):
                lease.release(connection, name, self._worker)
            self._leave(connection)

    def _due(self) -> list[str] | None:
        if time.monotonic() < self._renew_at:
            return super()._due()
        try:
            with database.transaction() as connection:
                holds = self._hold(connection)
                self._beat(connection)
                steps = recover.due(connection) if holds else None
        except StoreRefused as error:  # without leases every worker recovers
            _outage.failed(f"Recovery cannot be left to one worker: {error}")
            return super()._due()
        self._renew_at = time.monotonic() + RENEW_S if holds else 0.0
        return steps

    def _hold(self, connection: Connection) -> bool:
        """Take or renew the lease; else become the next in line, if there is none."""
        if not lease.hold(connection, lease.RECOVERY, self._worker, LEASE_S):
            self._is_next = lease.hold(connection, lease.NEXT, self._worker, LEASE_S)
            return False
        if self._is_next:
            lease.release(connection, lease.NEXT, self._worker)
            self._is_next = False
        return True

    def _pause(self) -> float:
        if self._is_next:
            return NEXT_S
        # after its start a worker soon becomes the next if there is none
        self._seldom = min(self._seldom * 2, SELDOM_S)
        return self._seldom * random.uniform(0.8, 1)  # noqa: S311  # so that not all look at once

    def _pace(self, steps: list[str]) -> float:
        now = time.monotonic()
        if set(steps) - {"retention"}:
            self._busy_at = now
        return CALM_S if now - self._busy_at > CALM_AFTER_S else EVERY_S
