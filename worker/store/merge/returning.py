"""Undo a merge on a map's tables, and undo that: a row that was moved is moved back.

What was deleted, or is no longer there, comes back as it was kept. A row of ``into`` that somebody
has put there since is somebody else's, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.ids import slices, unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.tables import Id, PackedIds
from tagsweep.worker.store.attach import GONE, Attach
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.store.merge import destination, rows

_ATTACH, _DETACH = Attach(), Detach()
_CHANGED = typed(
    """
    SELECT ids, kept FROM @removal
    WHERE job_id = :undone AND tag_id = :tag AND resource_type = :resource_type
      AND kept IS NOT NULL AND ids[1] <= :high AND ids[cardinality(ids)] >= :low
    """,
    {name: Id() for name in ("undone", "tag", "low", "high")},
).columns(ids=PackedIds())


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Put the name's links of the chunk back and take those to ``into`` off, or the reverse."""
    name, into = _tags(job, chunk)
    if job.adds:
        return _put_back(connection, job, chunk)
    moved = _moved(connection, job, chunk, by=into, given=name)
    if moved and not destination.holds(connection, job, chunk, into):
        failures = chunk.failures(list(unpack(chunk.ids)), "unknown_tag", GONE)
        return Outcome(0, chunk.items, failures)
    return _take_again(connection, job, chunk, moved)


def _tags(job: JobRecord, chunk: Chunk) -> tuple[UUID, UUID]:
    """Return the name that an undo's chunk is about, and what it was merged into."""
    (target,) = job.targets_of(chunk)
    return UUID(target["id"]), UUID(target["into"]["id"])


def _put_back(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    name, into = _tags(job, chunk)
    moved, back = _moved(connection, job, chunk, by=name, given=into), 0
    if moved and destination.holds(connection, job, chunk, name):
        _, back = rows.move(connection, job, moved, [into], name)
    if back == chunk.items:
        return Outcome(back)
    return Outcome(back) + _ATTACH.apply(connection, job, chunk)


def _take_again(
    connection: Connection, job: JobRecord, chunk: Chunk, moved: Chunk | None
) -> Outcome:
    (name, into), gone = _tags(job, chunk), 0
    if moved:
        gone, came = rows.move(connection, job, moved, [name], into)
        if came < moved.items:  # of some the name's row is gone by now
            _give_again(connection, job, moved, into)
    if gone == chunk.items:
        return Outcome(gone)
    return Outcome(gone) + _DETACH.apply(connection, job, chunk)


def _give_again(connection: Connection, job: JobRecord, moved: Chunk, into: UUID) -> None:
    """Put the links to ``into`` back that the undone job has taken, where there is none."""
    other = replace(job, matched=[job.targets_of(moved)[0]["into"]])
    ids = set(slices(moved.ids))
    kept = {one: line for one, line in _recorded(connection, job, moved, into) if one in ids}
    if kept:
        _ATTACH.apply(connection, other, replace(_listing(moved, kept), targets=[0]))


def _moved(
    connection: Connection, job: JobRecord, chunk: Chunk, *, by: UUID, given: UUID
) -> Chunk | None:
    """Return those resources of the chunk where the undone job gave ``given`` to a row of ``by``.

    None if there are none.
    """
    ids, former = set(slices(chunk.ids)), str(by)
    recorded = _recorded(connection, job, chunk, given)
    found = {one: "" for one, tag in recorded if tag == former and one in ids}
    return replace(_listing(chunk, found), values=[]) if found else None


def _listing(chunk: Chunk, values: dict[bytes, str]) -> Chunk:
    ids = sorted(values)
    return replace(chunk, ids=b"".join(ids), items=len(ids), values=[values[one] for one in ids])


def _recorded(
    connection: Connection, job: JobRecord, chunk: Chunk, tag_id: UUID
) -> Iterator[tuple[bytes, str]]:
    """Yield what the undone job has recorded of a tag around the chunk's resources."""
    low, high = chunk.ends
    values = {"undone": UUID(job.head["job"]), "tag": tag_id, "low": low, "high": high}
    more = {"resource_type": chunk.resource_type}
    for row in connection.execute(_CHANGED, {**values, **more}):
        yield from zip(slices(row.ids), row.kept, strict=True)
