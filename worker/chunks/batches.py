"""Small jobs that wait at the same moment are done in one transaction.

Recorded, matched, applied, counted and ended, their events in the outbox, by statements over all of
them: the round trips, most of what a small job costs alone, are shared. Detaches come first, then
attaches and deletes, in each kind the jobs in their order: it is as if they had been done one by
one in that order.

What is not plain goes its own way (``plain``; and what ``apply`` leaves out).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.chunks import plain, timings
from tagsweep.worker.errors import StoreBusy
from tagsweep.worker.jobs import batch_ends, batch_rows
from tagsweep.worker.jobs.batch_ends import Ended, NewJob
from tagsweep.worker.models.jobs import AttachJob, DeleteJob, DetachJob
from tagsweep.worker.models.records import Chunk, JobRecord, Report
from tagsweep.worker.store import KINDS
from tagsweep.worker.store.batches import links, workspaces
from tagsweep.worker.store.batches.links import Tags
from tagsweep.worker.store.batches.work import Changes


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a batch; jobs that are in none of both are to be done alone."""

    ended: dict[UUID, Ended]
    known: frozenset[UUID]  #: ids under which there was a job before


def apply(connection: Connection, new_jobs: Sequence[NewJob]) -> Done:
    """Do plain jobs, all of which end ``succeeded``; the transaction's first step.

    Left out: an id that is taken, and a delete of which a workspace is unknown. No id may be there
    twice. Raises StoreBusy or StoreRefused if anything is in the way of any of them: then the
    transaction is to be rolled back, and each job done alone.
    """
    start = time.monotonic()
    begun = batch_rows.begin(connection, [new.job_id for new in new_jobs])
    fresh = [new for new in new_jobs if new.job_id not in begun.known]
    jobs = [*_linked(connection, fresh, begun.now), *_deletes(connection, fresh, begun.now)]
    changes = [
        links.change(connection, "detach", _work(jobs, "detach")),
        links.change(connection, "attach", _work(jobs, "attach")),
        workspaces.change(connection, _work(jobs, "delete")),
    ]
    finished_at = max((one.done_at for one in changes if one.done_at), default=begun.now)
    moved = links.move(connection, changes[0].tags | changes[1].tags, finished_at)
    ended = [
        batch_ends.ended(
            one.job, one.chunks, _changed(one, changes), _report(one, changes, moved), finished_at
        )
        for one in jobs
    ]
    batch_rows.write(connection, ended)
    _count(ended, time.monotonic() - start)
    return Done({one.job.id: one for one in ended}, begun.known)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A job that was accepted, and its chunks."""

    job: JobRecord
    chunks: list[Chunk]


def _linked(connection: Connection, new_jobs: Sequence[NewJob], now: datetime) -> Iterator[_Cut]:
    """Yield the jobs on links; the tags that an attach lacks are created after all are matched."""
    asked = [
        (new, list(dict.fromkeys(new.job.names)))
        for new in new_jobs
        if isinstance(new.job, DetachJob | AttachJob)
    ]
    tags = links.match(
        connection, ((new.job.tenant, name) for new, names in asked for name in names)
    )
    with_made = tags | _missing(connection, asked, tags)
    for new, names in asked:
        known = with_made if isinstance(new.job, AttachJob) else tags
        places = [(new.job.tenant, name) for name in names]
        matched = [known[place] for place in places if place in known]
        yield _cut(new, matched, now)


def _missing(connection: Connection, asked: Sequence[tuple[NewJob, list[str]]], tags: Tags) -> Tags:
    missing = [
        (new.job.tenant, name)
        for new, names in asked
        for name in names
        if isinstance(new.job, AttachJob) and (new.job.tenant, name) not in tags
    ]
    made = links.create(connection, missing) if missing else {}
    if len(made) < len(set(missing)):
        raise StoreBusy("A tag that was just created is gone again.")
    return made


def _deletes(connection: Connection, new_jobs: Sequence[NewJob], now: datetime) -> Iterator[_Cut]:
    """Yield the jobs on workspaces all of which there are."""
    asked = [new for new in new_jobs if isinstance(new.job, DeleteJob)]
    places = {
        new.job_id: {(new.job.tenant, name) for name in new.job.workspace_ids()} for new in asked
    }
    known = workspaces.known(connection, (place for some in places.values() for place in some))
    for new in asked:
        if places[new.job_id] <= known:
            yield _cut(new, KINDS["delete"].match(connection, new.job.tenant, new.job.head()), now)


def _cut(new: NewJob, matched: list[dict[str, Any]], now: datetime) -> _Cut:
    chunks = list(plain.chunks_of(new.job, len(matched))) if matched else []
    return _Cut(batch_ends.accepted(new, matched, now), chunks)


def _work(jobs: Sequence[_Cut], kind: str) -> list[tuple[JobRecord, Chunk]]:
    return [(one.job, chunk) for one in jobs if one.job.kind == kind for chunk in one.chunks]


def _changed(cut: _Cut, changes: Sequence[Changes]) -> int:
    places = [(cut.job.id, chunk.number) for chunk in cut.chunks]
    return sum(one.items.get(place, 0) for one in changes for place in places)


def _report(cut: _Cut, changes: Sequence[Changes], moved: dict[str, dict[str, Any]]) -> Report:
    for one in changes:
        if cut.job.id in one.reports:
            return one.reports[cut.job.id]
    return Report([moved.get(tag["id"], tag) for tag in cut.job.targets if "id" in tag])


def _count(ended: Sequence[Ended], seconds: float) -> None:
    """Count each chunk with its share of the time that the batch took."""
    kinds = [one.job.kind for one in ended for _ in one.chunks]
    for kind in kinds:
        timings.count(kind, seconds / len(kinds))
