"""What is recorded of the items of a chunk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, select

from tagsweep.worker.models.ids import slices
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import failure, link_change, workspace_tag_change
from tagsweep.worker.store import KINDS, Place


@dataclass(frozen=True, slots=True)
class Slip:
    """What is known of the items of one chunk, by place among the job's targets (None: all)."""

    chunk: Chunk
    closed: bool  #: it was applied
    changed: dict[int, dict[Place, Any]] = field(default_factory=lambda: defaultdict(dict))
    failed: dict[int | None, dict[Place, str]] = field(default_factory=lambda: defaultdict(dict))
    #: of items that were reopened: whether they were applied then
    again: dict[int | None, dict[Place, bool]] = field(default_factory=lambda: defaultdict(dict))
    values: dict[Place, str] = field(default_factory=dict)  #: of an undo: of each workspace
    #: why items that exist are ``absent`` all the same
    spared: dict[tuple[int, Place], str] = field(default_factory=dict)
    #: of a merge: items among the changed ones that were on the other tag already
    present: set[tuple[int, Place]] = field(default_factory=set)


def slip_after(connection: Connection, job: JobRecord, number: int) -> Slip | None:
    """Return the first chunk after ``number`` that the job was split into; None if there is none.

    Chunks opened for a retry repeat items of those chunks, and are read with them.
    """
    first = and_(chunks.c.job_id == job.id, chunks.c.number > number, chunks.c.origin.is_(None))
    query = select(chunks).where(first).order_by(chunks.c.number).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    retried = and_(chunks.c.job_id == job.id, chunks.c.origin == row.number)
    later = connection.execute(select(chunks).where(retried).order_by(chunks.c.number)).all()
    slip = Slip(Chunk.of(row), row.state == "done")
    slip.values.update(zip(slip.chunk.names, slip.chunk.values, strict=False))
    for one in later:
        found = dict.fromkeys(places(Chunk.of(one)), one.state == "done")
        for target in one.targets or [None]:
            slip.again[target] |= found
    numbers = [row.number, *(one.number for one in later)]
    _read_failures(connection, job, slip, numbers)
    if slip.chunk.about_links:
        _read_links(connection, job, slip, numbers)
    else:
        _read_workspace_tags(connection, job, slip, [row, *later])
    if slip.chunk.is_range and not slip.closed:
        _read_range(connection, job, slip)
    elif not slip.chunk.is_range:
        slip.spared.update(KINDS[job.kind].spared(connection, job, slip.chunk))
    return slip


def _read_range(connection: Connection, job: JobRecord, slip: Slip) -> None:
    """List what exists in a range that was not applied, but no more than was counted."""
    left = slip.chunk.items
    for one in KINDS[job.kind].listed(connection, job, slip.chunk):
        for target in one.targets or []:
            found = dict.fromkeys(islice(places(one), left), False)
            slip.again[target] |= found
            left -= len(found)


def places(chunk: Chunk) -> Iterator[Place]:
    """Yield the places of the items that a chunk lists."""
    return slices(chunk.ids) if chunk.about_links else iter(chunk.names)


def _read_failures(connection: Connection, job: JobRecord, slip: Slip, numbers: list[int]) -> None:
    query = select(failure.c.target, failure.c.place, failure.c.reason)
    this = and_(failure.c.job_id == job.id, failure.c.chunk.in_(numbers))
    packed = slip.chunk.about_links
    for target, place, reason in connection.execute(query.where(this)):
        slip.failed[target][UUID(place).bytes if packed else place] = reason


def _read_links(connection: Connection, job: JobRecord, slip: Slip, numbers: list[int]) -> None:
    of_tag = {UUID(one["id"]): place for place, one in enumerate(job.targets)}
    this = and_(link_change.c.job_id == job.id, link_change.c.chunk.in_(numbers))
    rows = connection.execute(select(link_change).where(this)).all()
    for row in rows:
        if row.tag_id in of_tag:
            slip.changed[of_tag[row.tag_id]] |= dict.fromkeys(slices(row.ids))
    slip.present.update(KINDS[job.kind].present(job, rows))


def _read_workspace_tags(
    connection: Connection, job: JobRecord, slip: Slip, rows: list[Row[Any]]
) -> None:
    about = {row.number: row.targets or range(len(job.targets)) for row in rows}
    query = select(workspace_tag_change).where(
        workspace_tag_change.c.job_id == job.id, workspace_tag_change.c.chunk.in_(about)
    )
    for gone in connection.execute(query):
        for target in about[gone.chunk]:
            if _fits(job.targets[target], gone) and not failed(slip, target, gone.workspace_id):
                slip.changed[target][gone.workspace_id] = gone
                break


def _fits(wanted: dict[str, Any], gone: Row[Any]) -> bool:
    """Tell whether a removed tag of a workspace is what this target asks for."""
    same = (wanted["key"], wanted["system"]) == (gone.key, gone.system)
    return same and wanted["value"] in (None, gone.value)


def failed(slip: Slip, target: int, place: Place) -> str | None:
    """Return why an item failed; None if it did not."""
    for which in (target, None):
        reason = slip.failed[which].get(place) if which in slip.failed else None
        if reason is not None:
            return reason
    return None


def closed(slip: Slip, target: int, place: Place) -> bool:
    """Tell whether the item was applied the last time that it was open."""
    found = slip.closed
    for which in (None, target):
        if which in slip.again:
            found = slip.again[which].get(place, found)
    return found
