"""Small jobs that wait at the same moment are done in one transaction.

Recorded, matched, applied, counted and ended, their events in the outbox, by statements over all of
them: the round trips, most of what a small job costs alone, are shared. Detaches come first, then
attaches, deletes and sets, in each kind the jobs in their order: it is as if they had been done one
by one in that order.

What is not plain goes its own way (``plain``; and what ``apply`` leaves out).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.chunks import batch_changes, batch_detaches, batch_matching, timings
from tagsweep.worker.chunks.batch_changes import Applied
from tagsweep.worker.chunks.batch_matching import Cut
from tagsweep.worker.database import pipelines
from tagsweep.worker.jobs import batch_ends, batch_rows
from tagsweep.worker.jobs.batch_ends import Ended, NewJob
from tagsweep.worker.jobs.batch_rows import Begun


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a batch; jobs that are in none of both are to be done alone."""

    ended: dict[UUID, Ended]
    known: frozenset[UUID]  #: ids under which there was a job before


def apply(
    connection: Connection,
    new_jobs: Sequence[NewJob],
    *,
    commit: bool = False,
    committing: Callable[[], None] | None = None,
    committed: Callable[[Collection[UUID]], None] | None = None,
) -> Done:
    """Do plain jobs, all of which end ``succeeded``; the transaction's first step.

    Left out: what ``batch_matching`` says. No id may be there twice. Raises StoreBusy or
    StoreRefused if anything is in the way of any of them: then the transaction is to be rolled
    back, and each job done alone.

    ``commit``: the transaction is committed here, together with its last statements.
    ``committing``: called before these; what it raises rolls everything back. ``committed``: told
    the jobs that have ended, where it can send statements of a transaction that follows, in the
    same round trip.
    """
    start = time.monotonic()
    jobs, begun, applied = _applied(connection, new_jobs)
    finished_at = applied.done_at or begun.now
    moved = batch_changes.move_mapped(connection, applied, finished_at)
    ended = [
        batch_ends.ended(
            connection,
            one.job,
            one.chunks,
            applied.changed(one),
            batch_changes.report(one, applied, moved, finished_at),
            finished_at=finished_at,
            resources=applied.resources(one),
        )
        for one in jobs
    ]
    if committing is not None:
        committing()
    with pipelines.pipelined(connection):
        batch_changes.move_own(connection, applied, finished_at)
        batch_rows.write(connection, ended)
        if commit:
            pipelines.commit(connection)
            if committed is not None and ended and pipelines.is_pipelined(connection):
                committed([one.job.id for one in ended])
    _count(ended, time.monotonic() - start)
    return Done({one.job.id: one for one in ended}, begun.known)


def _applied(
    connection: Connection, new_jobs: Sequence[NewJob]
) -> tuple[list[Cut], Begun, Applied]:
    """Match the jobs and apply their chunks: all at once if they are alike."""
    chunks = batch_matching.of_detaches(connection, new_jobs)
    if chunks:
        return batch_detaches.apply(connection, new_jobs, chunks)
    jobs, begun = batch_matching.accepted(connection, new_jobs)
    return jobs, begun, batch_changes.apply(connection, jobs)


def _count(ended: Sequence[Ended], seconds: float) -> None:
    """Count each chunk with its share of the time that the batch took."""
    done = [(one.job, chunk) for one in ended for chunk in one.chunks]
    for job, chunk in done:
        timings.count(job, chunk, seconds / len(done))
