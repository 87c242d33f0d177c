"""The events of jobs that this process has just ended: when they are published, and by whom.

In a pool process a thread publishes them, so that the next job need not wait. If the thread has
nothing to do, a few events go out at once: they are claimed in the round trip that commits their
jobs, and the thread does the rest.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.database import pipelines
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.events import outbox, relay

log = logging.getLogger(__name__)

#: seconds that a pool process may take at its end to publish the ends of its jobs
END_S = 2
#: seconds between two batches of ends in a flood of small jobs
GATHER_S = 0.05
#: so many ends at once are a flood
FLOOD = 16


@dataclass(frozen=True, slots=True)
class _Published:
    """Events that are published, and locked in a transaction that is still open."""

    connection: Connection
    rows: Sequence[Any]
    published: list[Any]
    transaction: ExitStack

    def settle(self) -> None:
        """Do the rest, and commit."""
        with self.transaction:
            relay.settle(self.connection, self.rows, self.published)
        relay.log_ends(self.published)


_ended: queue.SimpleQueue[tuple[UUID, ...] | _Published | None] = queue.SimpleQueue()
_thread = threading.Event()  #: set once this process has a publishing thread
_rests = threading.Event()  #: set while the thread has nothing to do
_ending = threading.Event()  #: set once this process is about to exit


def publish(*job_ids: UUID) -> None:
    """Publish the ends of jobs: in a pool process soon, by a thread; elsewhere here and now.

    In a flood of small jobs the thread gathers ends for a moment and publishes them in batches.
    """
    if not pool_process.in_pool.is_set():
        relay.deliver(*job_ids)
        return
    if not _thread.is_set():
        _thread.set()
        serving = threading.Thread(target=_serve, name="tagsweep-relay", daemon=True)
        pool_process.at_end.append(lambda: _finish(serving))
        serving.start()
    _hand_over(job_ids)


class Ending:
    """A transaction that ends jobs, and publishes their events once it is committed."""

    def __init__(self, connection: Connection, transaction: ExitStack, jobs: int) -> None:
        self.connection = connection
        self._transaction = transaction
        self._is_prompt = jobs < FLOOD and _rests.is_set() and not relay.is_hindered()
        self._claimed: pipelines.Rows | None = None

    def claim(self, job_ids: Collection[UUID]) -> None:
        """Claim the events of jobs, in a transaction right behind the one that ends these."""
        if self._is_prompt:
            self._claimed = outbox.send_claim(self.connection, job_ids)

    def publish(self, job_ids: Collection[UUID]) -> None:
        """Publish the events of these jobs: those that are claimed at once."""
        if self._claimed is None:
            self._transaction.close()
            if job_ids:
                publish(*job_ids)
            return
        rows = self._claimed()
        if rows:  # or recovery has claimed them first
            published = relay.publish(rows)
            _hand_over(_Published(self.connection, rows, published, self._transaction.pop_all()))


@contextmanager
def transaction(jobs: int) -> Iterator[Ending]:
    """Open the transaction of a step that ends up to so many jobs; as ``database.transaction``."""
    with ExitStack() as stack:
        connection = stack.enter_context(database.transaction())
        yield Ending(connection, stack, jobs)


def _hand_over(ended: tuple[UUID, ...] | _Published) -> None:
    _rests.clear()
    _ended.put(ended)


def _finish(serving: threading.Thread) -> None:
    _ending.set()
    _ended.put(None)
    serving.join(END_S)


def _serve() -> None:
    running = True
    while running:
        if _ended.empty():
            _rests.set()
        gathered = [_ended.get()]
        _rests.clear()
        with suppress(queue.Empty):
            while len(_ids(gathered)) < outbox.MOST_AT_ONCE:
                gathered.append(_ended.get_nowait())
        running = None not in gathered
        for one in gathered:
            if isinstance(one, _Published):
                with _left_to_recovery():
                    one.settle()
        job_ids = _ids(gathered)
        with _left_to_recovery():
            for start in range(0, len(job_ids), outbox.MOST_AT_ONCE):
                relay.deliver(*job_ids[start : start + outbox.MOST_AT_ONCE])
        if running and len(job_ids) >= FLOOD:
            _ending.wait(GATHER_S)


def _ids(gathered: Sequence[tuple[UUID, ...] | _Published | None]) -> list[UUID]:
    return [job_id for some in gathered if isinstance(some, tuple) for job_id in some]


@contextmanager
def _left_to_recovery() -> Iterator[None]:
    """Log what goes wrong: the ends of later jobs must be published too."""
    try:
        yield
    except TagsweepError as error:
        log.warning("The ends of jobs are left to recovery: %s", error)
    except Exception:
        log.exception("The ends of jobs are left to recovery.")


# a forked child does not inherit its parent's thread
os.register_at_fork(after_in_child=_thread.clear)
os.register_at_fork(after_in_child=_rests.clear)
