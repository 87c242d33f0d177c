"""How long chunks take, and how many items they have: counted in each worker.

Every few seconds it adds that to the store, and notes there that it is at work.

Adding each chunk on its own would make all workers wait for one row. What a killed worker had not
added yet, a few seconds' worth, is lost: these are metrics, not accounts.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker import database
from tagsweep.worker.activity import heartbeats, throughput
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.database.dialects import proposed, upsert
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import chunk_time as table

log = logging.getLogger(__name__)

#: upper bounds of the buckets, in seconds; the last bucket has none
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
EVERY_S = 5.0

_lock = threading.Lock()
_counted: dict[tuple[str, int], tuple[int, float]] = {}
_items: dict[tuple[str, str], int] = {}  #: that were done, by tenant and kind
_last: list[UUID] = []  #: the job of which the last ones were
_soon: list[threading.Timer] = []  #: the timer of a pool process that has counted something
_handed_in_at = float("-inf")


@contextmanager
def timed(job: JobRecord, chunk: Chunk) -> Iterator[None]:
    """Count the block as this chunk, with its duration, if it succeeds."""
    start = time.monotonic()
    yield
    count(job, chunk, time.monotonic() - start)


def count(job: JobRecord, chunk: Chunk, seconds: float) -> None:
    """Count a chunk of the job, with the time it took."""
    place = (job.kind, bisect_left(BOUNDS, seconds))
    whose = (job.tenant or "", job.kind)
    with _lock:
        chunks, total = _counted.get(place, (0, 0.0))
        _counted[place] = (chunks + 1, total + seconds)
        _items[whose] = _items.get(whose, 0) + chunk.items
        _last[:] = [job.id]
    if pool_process.in_pool.is_set() and not _soon:
        _soon.append(threading.Timer(EVERY_S, _hand_in_soon))
        _soon[0].daemon = True
        _soon[0].start()


def _hand_in_soon() -> None:
    """Hand in what a pool process has counted, even if it gets nothing more to do."""
    _soon.clear()
    _hand_in()


def hand_in() -> None:
    """Add to the store what this process counted, unless that was done a moment ago."""
    if time.monotonic() - _handed_in_at >= EVERY_S:
        _hand_in()


def _hand_in() -> None:
    global _handed_in_at  # noqa: PLW0603  # one clock a process
    with _lock:
        if not _counted:
            return
        _handed_in_at = time.monotonic()
        taken, items, last = dict(_counted), dict(_items), _last[0]
        _counted.clear()
        _items.clear()
    try:
        with database.transaction() as connection:
            add(connection, taken)
            throughput.add(connection, items)
            for node in pool_process.nodes[-1:]:
                heartbeats.worked(connection, node.name, last, sum(items.values()))
    except TagsweepError as error:  # no reason to stop working
        log.warning("Chunk times of the last seconds are lost: %s", error)


def add(connection: Connection, counted: dict[tuple[str, int], tuple[int, float]]) -> None:
    """Add numbers of chunks and their seconds, by kind and bucket."""
    more = proposed(table)
    sums = {"chunks": table.c.chunks + more.chunks, "seconds": table.c.seconds + more.seconds}
    rows = [
        {"kind": kind, "bucket": bucket, "chunks": chunks, "seconds": seconds}
        for (kind, bucket), (chunks, seconds) in sorted(counted.items())
    ]
    connection.execute(upsert(connection, table, sums), rows)


def read(connection: Connection) -> dict[str, tuple[list[int], float]]:
    """Return for each kind the chunks in each bucket, and their seconds in total."""
    found: dict[str, tuple[list[int], float]] = {}
    for row in connection.execute(select(table)):
        buckets, seconds = found.setdefault(row.kind, ([0] * (len(BOUNDS) + 1), 0.0))
        buckets[row.bucket] = row.chunks
        found[row.kind] = (buckets, seconds + row.seconds)
    return found


# a forked child would add what its parent has counted once more
os.register_at_fork(after_in_child=_counted.clear)
os.register_at_fork(after_in_child=_items.clear)
os.register_at_fork(after_in_child=_soon.clear)
