"""The receipt of a job: what became of each item, read from the record, chunk by chunk.

Each chunk is read in one snapshot, with everything recorded of it. Nothing is locked, no
transaction outlives its chunk, and no more than one chunk is ever in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, select

from tagsweep.worker import database
from tagsweep.worker.errors import Forgotten, NoSuchJob
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.ids import slices
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import failure, link_change, workspace_tag_change
from tagsweep.worker.models.views import words
from tagsweep.worker.store import KINDS, Place

#: the columns of a row, by what the job is about
OF_LINKS = ("tag", "resource_type", "resource", "outcome", "reason")
OF_WORKSPACE_TAGS = ("key", "value", "system", "workspace", "outcome", "reason")

FORGOTTEN = "The record of job {id} has expired (TAGSWEEP_KEEP_REMOVALS_DAYS)."

Entry = dict[str, Any]


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


def entries(job_id: UUID, tenant: str | None, wanted: Collection[str]) -> Iterator[Entry]:
    """Yield a row for each item of the job whose outcome is among ``wanted``, as of now.

    The items of a job that is not split yet are not known. ``tenant``: whose job it must be; None:
    anyone's. Raises NoSuchJob, and Forgotten if the record has expired, even between two chunks.
    """
    number = -1
    while True:
        with database.snapshot() as connection:
            job = _kept(connection, job_id, tenant)
            slip = slip_after(connection, job, number)
        if slip is None:
            return
        number = slip.chunk.number
        yield from (entry for entry in entries_of(job, slip) if entry["outcome"] in wanted)


def columns(job_id: UUID, tenant: str | None) -> tuple[str, ...]:
    """Return the names of the columns of the job's receipt; raises as ``entries`` does."""
    with database.snapshot() as connection:
        job = _kept(connection, job_id, tenant)
    basic = OF_LINKS if job.about_links else OF_WORKSPACE_TAGS
    more = {"count": bool(job.selected), "dry_run": job.dry_run}
    return (*basic, *(name for name, applies in more.items() if applies))


def _kept(connection: Connection, job_id: UUID, tenant: str | None) -> JobRecord:
    job = queries.get(connection, job_id)
    if tenant is not None and job.tenant != tenant:
        raise NoSuchJob(f"There is no job {job_id}.")
    if job.forgotten_at:
        raise Forgotten(FORGOTTEN.format(id=job_id))
    return job


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
        places = dict.fromkeys(_places(Chunk.of(one)), one.state == "done")
        for target in one.targets or [None]:
            slip.again[target] |= places
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
            found = dict.fromkeys(islice(_places(one), left), False)
            slip.again[target] |= found
            left -= len(found)


def _places(chunk: Chunk) -> Iterator[Place]:
    return slices(chunk.ids) if chunk.about_links else iter(chunk.names)


def _read_failures(connection: Connection, job: JobRecord, slip: Slip, numbers: list[int]) -> None:
    query = select(failure.c.target, failure.c.place, failure.c.reason)
    this = and_(failure.c.job_id == job.id, failure.c.chunk.in_(numbers))
    packed = slip.chunk.about_links
    for target, place, reason in connection.execute(query.where(this)):
        slip.failed[target][UUID(place).bytes if packed else place] = reason


def _read_links(connection: Connection, job: JobRecord, slip: Slip, numbers: list[int]) -> None:
    of_tag = {UUID(one["id"]): place for place, one in enumerate(job.targets)}
    query = select(link_change.c.tag_id, link_change.c.ids)
    this = and_(link_change.c.job_id == job.id, link_change.c.chunk.in_(numbers))
    for tag_id, ids in connection.execute(query.where(this)):
        if tag_id in of_tag:
            slip.changed[of_tag[tag_id]] |= dict.fromkeys(slices(ids))


def _read_workspace_tags(
    connection: Connection, job: JobRecord, slip: Slip, rows: list[Row[Any]]
) -> None:
    about = {row.number: row.targets or range(len(job.targets)) for row in rows}
    query = select(workspace_tag_change).where(
        workspace_tag_change.c.job_id == job.id, workspace_tag_change.c.chunk.in_(about)
    )
    for gone in connection.execute(query):
        for target in about[gone.chunk]:
            if _fits(job.targets[target], gone) and not _failed(slip, target, gone.workspace_id):
                slip.changed[target][gone.workspace_id] = gone.value
                break


def _fits(wanted: dict[str, Any], gone: Row[Any]) -> bool:
    """Tell whether a removed tag of a workspace is what this target asks for."""
    same = (wanted["key"], wanted["system"]) == (gone.key, gone.system)
    return same and wanted["value"] in (None, gone.value)


def _failed(slip: Slip, target: int, place: Place) -> str | None:
    for which in (target, None):
        reason = slip.failed[which].get(place) if which in slip.failed else None
        if reason is not None:
            return reason
    return None


def _closed(slip: Slip, target: int, place: Place) -> bool:
    """Tell whether the item was applied the last time that it was open."""
    found = slip.closed
    for which in (None, target):
        if which in slip.again:
            found = slip.again[which].get(place, found)
    return found


def entries_of(job: JobRecord, slip: Slip) -> Iterator[Entry]:
    """Yield the rows of a chunk; of a range, one more that counts the items with no known name."""
    option: Entry = {"dry_run": True} if job.dry_run else {}
    single = {"count": 1, **option} if job.selected else option
    number = 0
    for target in slip.chunk.targets or range(len(job.targets)):
        for place in _items(slip, target):
            number += 1
            yield {**_entry(job, slip, target, place), **single}
    rest = slip.chunk.items - number
    if slip.chunk.is_range and rest > 0:
        outcome = words(job.acts_as)[1] if slip.closed else "unprocessed"
        targets = job.targets_of(slip.chunk)
        wanted = targets[0] if len(targets) == 1 else dict.fromkeys(("key", "value", "system"))
        shown = _link if slip.chunk.about_links else _workspace_tag
        entry = shown(job, wanted, slip.chunk, None, None)
        yield {**entry, "outcome": outcome, "reason": None, "count": rest, **option}


def _items(slip: Slip, target: int) -> Iterator[Place]:
    """Yield the places of a chunk; of a range, those about which anything is recorded."""
    if not slip.chunk.is_range:
        return _places(slip.chunk)
    known: tuple[dict[Any, Any], ...] = (
        slip.changed.get(target, {}),
        slip.failed.get(target, {}),
        slip.again.get(target, {}),
    )
    return iter(sorted({place for some in known for place in some}))


def _entry(job: JobRecord, slip: Slip, target: int, place: Place) -> Entry:
    changed, unchanged = words(job.acts_as, adds=job.adds)
    gone, reason = slip.changed.get(target, {}), None
    if place in gone:
        outcome = changed
    elif (reason := _failed(slip, target, place)) is not None:
        outcome = "failed"
    else:
        outcome = unchanged if _closed(slip, target, place) else "unprocessed"
        reason = slip.spared.get((target, place)) if outcome == unchanged else None
    shown = _link if slip.chunk.about_links else _workspace_tag
    value = gone.get(place, slip.values.get(place))
    entry = shown(job, job.targets[target], slip.chunk, place, value)
    return {**entry, "outcome": outcome, "reason": reason}


def _link(job: JobRecord, wanted: Entry, chunk: Chunk, place: Place | None, _: Any) -> Entry:
    resources, number = job.resources, chunk.resource_type
    return {
        "tag": wanted["name"],
        "resource_type": resources.name_of(number),
        "resource": resources.shown(number, place) if isinstance(place, bytes) else place,
    }


def _workspace_tag(
    _job: JobRecord, wanted: Entry, _: Chunk, place: Place | None, value: str | None
) -> Entry:
    """Return the wanted tag; if it was removed, with the value that it had."""
    own = wanted["value"] if value is None else value
    return {"key": wanted["key"], "value": own, "system": wanted["system"], "workspace": place}
