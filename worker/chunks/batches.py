"""Small jobs that wait at the same moment are done in one transaction.

Recorded, matched, applied, counted and ended, their events in the outbox, by statements over all of
them: the round trips, most of what a small job costs alone, are shared. Detaches come first, then
attaches and deletes, in each kind the jobs in their order: it is as if they had been done one by
one in that order.

What is not plain goes its own way (``plain``; and what ``apply`` leaves out).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.chunks import plain, timings
from tagsweep.worker.database import pipelines
from tagsweep.worker.errors import ItemError, StoreBusy
from tagsweep.worker.jobs import batch_ends, batch_rows, report
from tagsweep.worker.jobs.batch_ends import Ended, NewJob
from tagsweep.worker.jobs.batch_rows import Begun
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.jobs import AttachJob, DeleteJob, DetachJob
from tagsweep.worker.models.records import Chunk, JobRecord, Report
from tagsweep.worker.store import KINDS
from tagsweep.worker.store.batches import links, workspaces
from tagsweep.worker.store.batches.links import Tags
from tagsweep.worker.store.batches.work import Changes
from tagsweep.worker.store.unmatched.names import MissingNames

#: a name of a tenant's: of a tag, or a workspace
Place = tuple[str, str]
#: what each job names, by its id
Places = dict[UUID, list[Place]]


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

    Left out: an id that is taken, and a delete of which a workspace is unknown. No id may be there
    twice. Raises StoreBusy or StoreRefused if anything is in the way of any of them: then the
    transaction is to be rolled back, and each job done alone.

    ``commit``: the transaction is committed here, together with its last statements.
    ``committing``: called before these; what it raises rolls everything back. ``committed``: told
    the jobs that have ended, where it can send statements of a transaction that follows, in the
    same round trip.
    """
    start = time.monotonic()
    jobs, begun = _accepted(connection, new_jobs)
    changes = _changes(connection, jobs)
    finished_at = max((one.done_at for one in changes if one.done_at), default=begun.now)
    tags = changes[0].tags | changes[1].tags
    ended = [
        batch_ends.ended(
            connection,
            one.job,
            one.chunks,
            _changed(one, changes),
            _report(one, changes, tags, finished_at),
            finished_at=finished_at,
        )
        for one in jobs
    ]
    if committing is not None:
        committing()
    with pipelines.pipelined(connection):
        links.move(connection, tags, finished_at)
        batch_rows.write(connection, ended)
        if commit:
            pipelines.commit(connection)
            if committed is not None and ended and pipelines.is_pipelined(connection):
                committed([one.job.id for one in ended])
    _count(ended, time.monotonic() - start)
    return Done({one.job.id: one for one in ended}, begun.known)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A job that was accepted, and its chunks."""

    job: JobRecord
    chunks: list[Chunk]


def _accepted(connection: Connection, new_jobs: Sequence[NewJob]) -> tuple[list[_Cut], Begun]:
    """Return the jobs that can be done, in the order in which they are done."""
    on_links, on_workspaces = _names(new_jobs), _places(new_jobs)
    with pipelines.pipelined(connection):
        begin = batch_rows.begin(connection, [new.job_id for new in new_jobs])
        match = links.match(connection, _all(on_links))
        know = workspaces.known(connection, _all(on_workspaces))
    begun, known = begin(), know()
    fresh = [new for new in new_jobs if new.job_id not in begun.known]
    linked = _linked(connection, fresh, on_links, match(), begun.now)
    deletes = (
        _cut(new, KINDS["delete"].match(connection, new.job.tenant, new.job.head()), begun.now)
        for new in fresh
        if new.job_id in on_workspaces and known.issuperset(on_workspaces[new.job_id])
    )
    return [*linked, *deletes], begun


def _names(new_jobs: Sequence[NewJob]) -> Places:
    return {
        new.job_id: [(new.job.tenant, name) for name in dict.fromkeys(new.job.names)]
        for new in new_jobs
        if isinstance(new.job, DetachJob | AttachJob)
    }


def _places(new_jobs: Sequence[NewJob]) -> Places:
    return {
        new.job_id: [(new.job.tenant, name) for name in new.job.workspace_ids()]
        for new in new_jobs
        if isinstance(new.job, DeleteJob)
    }


def _all(places: Places) -> Iterator[Place]:
    return (place for some in places.values() for place in some)


def _linked(
    connection: Connection, new_jobs: Sequence[NewJob], names: Places, tags: Tags, now: datetime
) -> Iterator[_Cut]:
    """Yield the jobs on links; the tags that an attach lacks are created after all are matched."""
    jobs = [new for new in new_jobs if new.job_id in names]
    unmatched = _unmatched(connection, jobs, tags)
    attaches = [new for new in jobs if isinstance(new.job, AttachJob)]
    lacking = [place for new in attaches for place in names[new.job_id] if place not in tags]
    with_made = tags | links.create(connection, lacking) if lacking else tags
    if not with_made.keys() >= set(lacking):
        raise StoreBusy("A tag that was just created is gone again.")
    for new in jobs:
        known = with_made if isinstance(new.job, AttachJob) else tags
        matched = [known[place] for place in names[new.job_id] if place in known]
        yield _cut(new, matched, now, unmatched.get(new.job_id, []))


def _unmatched(
    connection: Connection, jobs: Sequence[NewJob], tags: Tags
) -> dict[UUID, list[ItemError]]:
    """Return what each detach has to warn of; an attach creates what it lacks."""
    missing = MissingNames(connection)
    found = {}
    for new in jobs:
        if isinstance(new.job, DetachJob):
            tenant, names = new.job.tenant, new.job.names
            known = {name for name in names if (tenant, name) in tags}
            found[new.job_id] = missing.warnings(tenant, names, known)
    return found


def _cut(
    new: NewJob, matched: list[dict[str, Any]], now: datetime, unmatched: Sequence[ItemError] = ()
) -> _Cut:
    chunks = list(plain.chunks_of(new.job, len(matched))) if matched else []
    job = batch_ends.accepted(new, matched, now, unmatched)
    return _Cut(job if chunks or job.warnings else replace(job, warnings=[report.NOTHING]), chunks)


def _changes(connection: Connection, jobs: Sequence[_Cut]) -> list[Changes]:
    """Apply all chunks; return what the detaches, the attaches and the deletes have changed."""
    with pipelines.pipelined(connection):
        sent = [
            links.change(connection, "detach", _work(jobs, "detach")),
            links.change(connection, "attach", _work(jobs, "attach")),
            workspaces.change(connection, _work(jobs, "delete")),
        ]
    return [changes() for changes in sent]


def _work(jobs: Sequence[_Cut], kind: str) -> list[tuple[JobRecord, Chunk]]:
    return [(one.job, chunk) for one in jobs if one.job.kind == kind for chunk in one.chunks]


def _changed(cut: _Cut, changes: Sequence[Changes]) -> int:
    places = [(cut.job.id, chunk.number) for chunk in cut.chunks]
    return sum(one.items.get(place, 0) for one in changes for place in places)


def _report(
    cut: _Cut, changes: Sequence[Changes], moved: Mapping[UUID, object], now: datetime
) -> Report:
    for one in changes:
        if cut.job.id in one.reports:
            return one.reports[cut.job.id]
    tags = [tag for tag in cut.job.targets if "id" in tag]
    time = {"updated_at": stamp(now)}
    return Report([tag | time if UUID(tag["id"]) in moved else tag for tag in tags])


def _count(ended: Sequence[Ended], seconds: float) -> None:
    """Count each chunk with its share of the time that the batch took."""
    done = [(one.job, chunk) for one in ended for chunk in one.chunks]
    for job, chunk in done:
        timings.count(job, chunk, seconds / len(done))
