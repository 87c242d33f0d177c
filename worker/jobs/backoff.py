"""What the store refuses is put off: it is noted why, and tried again later and later.

The note is a transaction of its own, made after the one that was refused. A chunk is put off with
its job: so a job of many chunks, all of which are refused, is tried no more often than one of one,
and a job of which a single chunk is refused goes on with all the others after a moment.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, or_, select, tuple_, update

from tagsweep.worker import database
from tagsweep.worker.errors import (
    StoreBusy,
    StoreRefused,
    TagsweepError,
    words,
)
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables.types import ago, clock
from tagsweep.worker.outages import Outage
from tagsweep.worker.redaction import redacted

#: seconds till the next try: at first, and at first where another transaction was in the way;
#: doubled each time, up to the last
FIRST_S, FIRST_BUSY_S, MOST_S = 1.0, 0.1, 60.0
#: seconds that a process leaves off such a step at most
MOST_PAUSE_S = 5.0
#: far beyond MOST_S: more of them would be no number any more
MOST_DOUBLINGS = 20
#: query_canceled: it may take too long, and less of it may not
CANCELLED = "57014"
#: statements that a chunk is applied by at most
MOST_PIECES = 1 << 20

REFUSED = "The store refuses it: {said}."
BUSY = "Another transaction holds what it needs."

#: what is noted of a job that has got on
GOT_ON: dict[str, Any] = {"waiting": None, "tries": 0, "retry_at": None}

_outage = Outage(logging.getLogger(__name__), "The store takes again what it refused")


class Pause:
    """How long this process leaves off a step that the store refuses, and that notes nothing.

    For one thread.
    """

    def __init__(self) -> None:
        self._tries, self._until = 0, 0.0

    @property
    def is_over(self) -> bool:
        """Whether the step may be tried."""
        return time.monotonic() >= self._until

    def refused(self) -> None:
        """Take a refusal: the next pause is longer."""
        self._tries += 1
        self._until = time.monotonic() + min(pause_s(self._tries), MOST_PAUSE_S)

    def taken(self) -> None:
        """Take a success."""
        self._tries, self._until = 0, 0.0


def pause_s(tries: int, first: float = FIRST_S) -> float:
    """Return how long to wait after so many refusals, with jitter."""
    wait: float = min(first * 2.0 ** min(tries - 1, MOST_DOUBLINGS), MOST_S)
    return wait * random.uniform(0.8, 1)  # noqa: S311  # so that not all are tried at once


def reason_of(error: Exception) -> str:
    """Return why something is put off, in one sentence with the server's own words."""
    if isinstance(error, StoreRefused):
        code = f" (SQLSTATE {error.code})" if error.code else ""
        return redacted(REFUSED.format(said=error.said.rstrip(".")[:300] + code))
    if isinstance(error, StoreBusy):
        return BUSY
    return redacted(f"An unexpected error stopped it ({words(error)}).")


def chunk(job_id: UUID, number: int, error: Exception) -> None:
    """Put a chunk off, and its job; nothing to do where somebody else has it by now.

    Raises what the store says where it takes no note either.
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
    """Put off a job that the caller holds, and that was not split yet."""
    if job.status == "queued":
        reason = reason_of(error)
        _outage.failed(reason)
        _job(connection, job.id, reason, FIRST_S)


def _job(connection: Connection, job_id: UUID, reason: str, first: float) -> None:
    this = jobs.c.id == job_id
    due = or_(jobs.c.retry_at.is_(None), jobs.c.retry_at <= clock())
    query = select(jobs.c.tries, jobs.c.cancelling, due.label("due")).where(this)
    row = connection.execute(query.with_for_update(key_share=True)).one()
    tries = row.tries + 1 if row.due else max(row.tries, 1)  # else others were refused with it
    # one that is cancelled has only to let go of its chunks
    retry_at = None if row.cancelling else ago(-pause_s(tries, first))
    note = {"waiting": reason, "tries": tries, "retry_at": retry_at}
    connection.execute(update(jobs).where(this).values(note))


def got_on(job: JobRecord) -> None:
    """After the commit: try at once whatever else waits for what ``job`` has waited for."""
    _outage.over()
    if job.waiting is None or CANCELLED in job.waiting or job.waiting == BUSY:
        return  # said of each of them for itself
    alike = and_(jobs.c.waiting == job.waiting, or_(jobs.c.open > 0, jobs.c.status == "queued"))
    theirs = chunks.c.job_id.in_(select(jobs.c.id).where(alike))
    put_off = and_(theirs, chunks.c.state == "open", chunks.c.retry_at > clock())
    held = select(chunks.c.job_id, chunks.c.number).where(put_off).with_for_update(skip_locked=True)
    these = tuple_(chunks.c.job_id, chunks.c.number).in_(held)
    try:
        with database.transaction() as connection:
            connection.execute(update(chunks).where(these).values(retry_at=None))
            connection.execute(update(jobs).where(alike).values(retry_at=None))
    except TagsweepError:  # then each has its own time
        return
