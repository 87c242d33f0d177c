"""Apply a chunk that the store refuses as it is: by halves, till what it refuses stands alone.

A constraint or trigger of the integrator's then costs the items that it refuses, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import StoreRefused
from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.store import KINDS


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Apply what the store takes of ``chunk``; the rest is failed, with the store's own words.

    Raises StoreRefused where the store refuses the statement itself (a right is missing, say): no
    half would do better, and no item is to blame.
    """
    outcome = Outcome()
    for piece in _pieces(connection, job, chunk):
        outcome += _apply(connection, job, piece)
    return outcome


def in_pieces(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Apply ``chunk`` by as many statements as it is noted to need; raises StoreRefused."""
    outcome = Outcome()
    for piece in _pieces(connection, job, chunk):
        outcome += KINDS[job.kind].apply(connection, job, piece)
    return outcome


def _apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    try:
        with database.savepoint(connection):
            return KINDS[job.kind].apply(connection, job, chunk)
    except StoreRefused as refused:
        if not refused.by_item:
            raise
        halves = list(_halves(connection, job, chunk))
        if not halves:
            return failed(connection, job, chunk, "refused", refused.said)
    outcome = Outcome()
    for half in halves:
        outcome += _apply(connection, job, half)
    return outcome


def failed(connection: Connection, job: JobRecord, chunk: Chunk, code: str, reason: str) -> Outcome:
    """Return the failure of all items of a chunk; of a range, of all that is there."""
    outcome = Outcome()
    for one in KINDS[job.kind].listed(connection, job, chunk):
        places = one.names or list(unpack(one.ids))
        outcome += Outcome(0, one.items, one.failures(places, code, reason))
    return outcome


def _pieces(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Cut a chunk that the store takes too long for as a whole."""
    if chunk.pieces == 1:
        return [chunk]
    pieces, before = KINDS[job.kind].listed(connection, job, chunk), 0
    while before < len(pieces) < chunk.pieces:
        before = len(pieces)
        pieces = [half for one in pieces for half in list(_halves(connection, job, one)) or [one]]
    return pieces


def _halves(connection: Connection, job: JobRecord, chunk: Chunk) -> Iterator[Chunk]:
    """Halve by resources first, then, for a single one, by what is taken off it.

    A range is first listed.
    """
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
