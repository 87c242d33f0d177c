"""The limit on items per second over all workers (TAGSWEEP_MAX_RATE): one timestamp in the store.

Each chunk advances the time at which the next may start by as long as its items may take. Under a
limit chunks are cut smaller, so that it holds within a fraction of a second.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tagsweep.worker import settings
from tagsweep.worker.models.tables import clock, throttle

#: chunks per second at the limit
CHUNKS_PER_S = 4


def most_items() -> int | None:
    """Return the most items that a chunk may have under the limit; None without a limit."""
    rate = settings.load().max_rate
    return None if rate is None else max(1, rate // CHUNKS_PER_S)


def wait_s(connection: Connection) -> float:
    """Return in how many seconds the next chunk may start; 0: now."""
    if settings.load().max_rate is None:
        return 0.0
    row = _row(connection, hold=False)
    return max(0.0, float((row.next_at - row.now).total_seconds()))


def note(connection: Connection, items: int) -> None:
    """Count the ``items`` of a chunk; locks a row, so call it last in the transaction."""
    rate = settings.load().max_rate
    if rate is None:
        return
    row = _row(connection, hold=True)
    next_at = max(row.next_at, row.now) + timedelta(seconds=items / rate)
    connection.execute(update(throttle).values(next_at=next_at))


def _row(connection: Connection, *, hold: bool) -> Row[Any, Any]:
    query = select(throttle.c.next_at, clock().label("now"))
    return connection.execute(query.with_for_update() if hold else query).one()
