"""Put off what the store refuses: note why, and retry it after growing pauses.

The note is a transaction of its own, made after the one that was refused. A chunk is put off with
its job: so a job all of whose many chunks are refused is tried no more often than a job of one, and
a job with a single refused chunk continues with the others after a moment.
"""

from __future__ import annotations

import logging
import random
import time
from uuid import UUID

from sqlalchemy import Connection, and_, or_, select, tuple_, update

from tagsweep.worker import database
from tagsweep.worker.errors import (
    StoreBusy,
    StoreRefused,
    TagsweepError,
    words,
)
from tagsweep.worker.jobs import waits
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import ago, clock
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.outages import Outage
from tagsweep.worker.redaction import redacted

#: seconds before the next try: initially, initially if another transaction was in the way, and at
#: most; doubled each time
FIRST_S, FIRST_BUSY_S, MOST_S = 1.0, 0.1, 60.0
#: seconds that a process pauses a refused step at most
MOST_PAUSE_S = 5.0
#: far beyond MOST_S: more of them would overflow
MOST_DOUBLINGS = 20
#: query_canceled: the chunk may take too long, and half of it may not
CANCELLED = "57014"
#: most statements that a chunk is applied by
MOST_PIECES = 1 << 20

REFUSED = "The store refuses it: {said}."
BUSY = "Another transaction holds what it needs."

_outage = Outage(logging.getLogger(__name__), "The store accepts again what it refused")


class Pause:
    """How long this process pauses a step that the store refuses and that keeps no note of it.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self._tries, self._until = 0, 0.0

    @property
    def is_over(self) -> bool:
        """Whether the step may be tried."""
        return time.monotonic() >= self._until

    def refused(self) -> None:
        """Note a refusal: the next pause is longer."""
        self._tries += 1
        self._until = time.monotonic() + min(pause_s(self._tries), MOST_PAUSE_S)

    def taken(self) -> None:
        """Note a success: the next pause is the shortest."""
        self._tries, self._until = 0, 0.0


def pause_s(tries: int, first: float = FIRST_S) -> float:
    """Return how many seconds to wait after so many refusals, with jitter."""
    wait: float = min(first * 2.0 ** min(tries - 1, MOST_DOUBLINGS), MOST_S)
    return wait * random.uniform(0.8, 1)  # noqa: S311  # so that not all are retried at once


def reason_of(error: Exception) -> str:
    """Return why something is put off: one sentence, with the server's own words."""
    if isinstance(error, StoreRefused):
        code = f" (SQLSTATE {error.code})" if error.code else ""
        return redacted(REFUSED.format(said=error.said.rstrip(".")[:300] + code))
    if isinstance(error, StoreBusy):
        return BUSY
    return redacted(f"An unexpected error stopped it ({words(error)}).")


def chunk(job_id: UUID, number: int, error: Exception) -> None:
    """Put off a chunk and its job; does nothing if another worker has locked the chunk by now.

    Raises StoreRefused and the like if the store does not take the note either.
    """
    reason = reason_of(error)
    _outage.failed(reason)
    first = FIRST_BUSY_S if isinstance(error, StoreBusy) else FIRST_S
    this = and_(chunks.c.job_id == job_id, chunks.c.number == number, chunks.c.state == "open")
    with database.transaction() as connection:
        query = select(chunks.c.tries, chunks.c.pieces).where(this)
        row = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
        if row is None:
            return
        more = 2 if getattr(error, "code", None) == CANCELLED else 1
        note = {
            "waiting": reason,
            "tries": row.tries + 1,
            "retry_at": ago(-pause_s(row.tries + 1, first)),
            "pieces": min(row.pieces * more, MOST_PIECES),
        }
        connection.execute(update(chunks).where(this).values(note))
        _job(connection, job_id, reason, first)


def start(connection: Connection, job: JobRecord, error: Exception) -> None:
    """Put off a job that the caller has locked and that is not split yet."""
    if job.status == "queued":
        reason = reason_of(error)
        _outage.failed(reason)
        _job(connection, job.id, reason, FIRST_S)


def _job(connection: Connection, job_id: UUID, reason: str, first: float) -> None:
    this = jobs.c.id == job_id
    due = or_(jobs.c.retry_at.is_(None), jobs.c.retry_at <= clock())
    query = select(jobs.c.tries, jobs.c.cancelling, due.label("due")).where(this)
    row = connection.execute(query.with_for_update(key_share=True)).one()
    tries = (
        row.tries + 1 if row.due else max(row.tries, 1)
    )  # else refused together with another chunk
    # a cancelled job only has to drop its chunks
    retry_at = None if row.cancelling else ago(-pause_s(tries, first))
    note = {"waiting": reason, "tries": tries, "retry_at": retry_at}
    note |= waits.begun(connection, job_id, reason)
    connection.execute(update(jobs).where(this).values(note))


def got_on(job: JobRecord) -> None:
    """After the commit: retry at once whatever waits for the same reason as ``job`` did."""
    _outage.over()
    if job.waiting is None or CANCELLED in job.waiting or job.waiting == BUSY:
        return  # a reason that others do not share
    alike = and_(jobs.c.waiting == job.waiting, or_(jobs.c.open > 0, jobs.c.status == "queued"))
    theirs = chunks.c.job_id.in_(select(jobs.c.id).where(alike))
    put_off = and_(theirs, chunks.c.state == "open", chunks.c.retry_at > clock())
    held = select(chunks.c.job_id, chunks.c.number).where(put_off).with_for_update(skip_locked=True)
    these = tuple_(chunks.c.job_id, chunks.c.number).in_(held)
    try:
        with database.transaction() as connection:
            connection.execute(update(chunks).where(these).values(retry_at=None))
            connection.execute(update(jobs).where(alike).values(retry_at=None))
    except TagsweepError:  # each is retried at its own time
        return
