"""Apply one chunk: as a whole, in pieces, by halves, or only as a try.

A dry run executes the very statements of the job and takes them back, chunk by chunk; the record of
what they changed is kept. So a dry run cannot report anything but what its job would do, and what
the store would refuse is refused here too.

A chunk that the store refuses is applied by halves until what it refuses stands alone: a constraint
or trigger of the integrator's then costs the items that it refuses, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.chunks import timings
from tagsweep.worker.errors import StoreRefused
from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.store import KINDS, changes
from tagsweep.worker.store.statements import MOST_PLANNED_ONCE


def apply(
    connection: Connection, job: JobRecord, chunk: Chunk, *, careful: bool = False
) -> Outcome:
    """Change the chunk's items and record which; in a dry run, record which would be changed.

    ``careful``: after the store refused the chunk, apply what it takes of it; the rest fails, with
    the store's own words. Raises StoreRefused; if ``careful``, only if the store refuses the
    statement itself (a privilege is missing, say): no half would do better, no item is to blame.
    """
    _plan(connection, job, chunk)
    with timings.timed(job, chunk):
        if not job.dry_run:
            return _apply(connection, job, chunk, careful=careful)
        with database.rolled_back(connection):
            prepared = replace(job, matched=KINDS[job.kind].prepare(connection, job))
            outcome = _apply(connection, prepared, chunk, careful=careful)
            changed = changes.of(connection, job, chunk)
        changes.put(connection, changed, _known(job, prepared))
        return outcome


def fail(connection: Connection, job: JobRecord, chunk: Chunk, reason: str) -> Outcome:
    """Return the failure of all items of a chunk that is given up; of a range, of what exists."""
    _plan(connection, job, chunk)
    return _failed(connection, job, chunk, "gave_up", reason)


def _plan(connection: Connection, job: JobRecord, chunk: Chunk) -> None:
    """Let the server plan for this chunk, unless it is the whole of a small job."""
    if job.open or chunk.items > MOST_PLANNED_ONCE:
        database.plan_for_many(connection, adds=job.kind == "attach" or job.adds)


def _apply(connection: Connection, job: JobRecord, chunk: Chunk, *, careful: bool) -> Outcome:
    """Apply the chunk by as many statements as it was noted to need."""
    outcome = Outcome()
    for piece in _pieces(connection, job, chunk):
        if careful:
            outcome += _by_halves(connection, job, piece)
        else:
            outcome += KINDS[job.kind].apply(connection, job, piece)
    return outcome


def _by_halves(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    try:
        with database.savepoint(connection):
            return KINDS[job.kind].apply(connection, job, chunk)
    except StoreRefused as refused:
        if not refused.by_item:
            raise
        halves = list(_halves(connection, job, chunk))
        if not halves:
            return _failed(connection, job, chunk, "refused", refused.said)
    outcome = Outcome()
    for half in halves:
        outcome += _by_halves(connection, job, half)
    return outcome


def _failed(
    connection: Connection, job: JobRecord, chunk: Chunk, code: str, reason: str
) -> Outcome:
    outcome = Outcome()
    for listed in KINDS[job.kind].listed(connection, job, chunk):
        places = listed.names or list(unpack(listed.ids))
        outcome += Outcome(0, listed.items, listed.failures(places, code, reason))
    return outcome


def _pieces(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Cut a chunk that takes the store too long as a whole."""
    if chunk.pieces == 1:
        return [chunk]
    pieces, before = KINDS[job.kind].listed(connection, job, chunk), 0
    while before < len(pieces) < chunk.pieces:
        before = len(pieces)
        pieces = [
            half for piece in pieces for half in list(_halves(connection, job, piece)) or [piece]
        ]
    return pieces


def _halves(connection: Connection, job: JobRecord, chunk: Chunk) -> Iterator[Chunk]:
    """Halve by resources first; for a single resource, by targets. A range is first listed."""
    if chunk.is_range:
        yield from KINDS[job.kind].listed(connection, job, chunk)
        return
    targets = chunk.targets or list(range(len(job.targets)))
    if chunk.size > 1:
        middle = chunk.size // 2
        yield chunk.cut(0, middle)
        yield chunk.cut(middle, chunk.size)
    elif len(targets) > 1:
        middle = len(targets) // 2
        yield chunk.about(targets[:middle])
        yield chunk.about(targets[middle:])


def _known(job: JobRecord, prepared: JobRecord) -> dict[UUID, UUID]:
    """Return the id under which the job knows each tag: one created here may get another."""
    pairs = list(zip(prepared.targets, job.targets, strict=True))
    pairs += [(made["into"], known["into"]) for made, known in pairs if "into" in known]
    return {UUID(made["id"]): UUID(known["id"]) for made, known in pairs if "id" in known}
