"""Split a recorded job: find what it acts on, cut its lists into chunks, and store these.

Lists stored in many parts are merged window by window, however long they are: a worker's memory
use stays constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from uuid import UUID

from sqlalchemy import Connection, and_, func, insert, select

from tagsweep.worker.chunks import rate_limit, splitting_run, splitting_undo
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.jobs import lifecycle, parts
from tagsweep.worker.mapping import job_resources
from tagsweep.worker.models import sorting
from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.models.options import conditions
from tagsweep.worker.models.records import Chunk, JobRecord, Lists
from tagsweep.worker.models.tables import chunk as chunk_table
from tagsweep.worker.models.tables import part
from tagsweep.worker.store import KINDS, layouts
from tagsweep.worker.store.unmatched import sparing

#: rows of chunks sent at once
_BATCH = 4

#: functions that read the sorted lists of a job, by resource type; 0: workspace names
Runs = dict[int, list[sorting.Read]]


def split(
    connection: Connection,
    job: JobRecord,
    most_resources: int,
    lists: Lists | None = None,
    *,
    at_once: bool = False,
) -> tuple[JobRecord, Chunk | None]:
    """Split a job that the caller has locked; its ``lists`` are given, or else stored.

    Return the job as it is now, ended if nothing matched. ``at_once``: if there is only one chunk,
    write nothing and return it too, for the caller to apply in this transaction.
    """
    most_items = rate_limit.most_items()
    most_of_one = sorting.size(most_resources, 1, most_items)
    try:
        job = _sparing(connection, job)
    except InvalidJob as unknown:
        return lifecycle.end(connection, job, "rejected", unknown.errors), None
    if "previewed" in job.head:
        return splitting_run.split(connection, job), None
    if job.kind == UndoJob.kind:
        parts.forget(connection, job)
        return splitting_undo.split(connection, job, most_of_one), None
    kind, job = KINDS[job.kind], _marked(connection, job)
    matched = kind.match(connection, str(job.tenant), job.head, layouts.of(job))
    unmatched = kind.unmatched(connection, job, matched)
    job = replace(job, warnings=[*(job.warnings or []), *unmatched] or None)
    most = sorting.size(most_resources, len(matched), most_items)
    if not matched:
        parts.forget(connection, job)
        return lifecycle.begin(connection, job, matched, 0, 0), None
    runs = _stored(connection, job.id) if lists is None else _in_hand(job, lists)
    lists_cut = _cut(runs, most, len(matched))
    selected = kind.cut(connection, replace(job, matched=matched), most_of_one)
    cut = _numbered(lists_cut, selected)
    first = list(islice(cut, 2))
    if at_once and len(first) == 1 and not job.head.get("drop"):
        parts.forget(connection, job)
        return replace(job, matched=matched), first[0]
    opened, total = _open(connection, job.id, chain(first, cut))
    parts.forget(connection, job)
    return lifecycle.begin(connection, job, matched, opened, total), None


def _marked(connection: Connection, job: JobRecord) -> JobRecord:
    """Note how far the links of mapped resources have grown, of which the job selects all."""
    if not (job.mapped and job.selected):
        return job
    marked = job_resources.marked(connection, job, "split")
    return lifecycle.change(connection, job, mapped=marked.written())


def _sparing(connection: Connection, job: JobRecord) -> JobRecord:
    """Note the tags that spare what carries them; raises InvalidJob if one does not exist."""
    names = conditions.of(job.head).unless
    if not names:
        return job
    tags = sparing.ids(connection, str(job.tenant), names, layouts.of(job))
    return lifecycle.change(connection, job, sparing=tags)


def _numbered(*some: Iterator[Chunk]) -> Iterator[Chunk]:
    return (replace(chunk, number=number) for number, chunk in enumerate(chain(*some)))


def _cut(runs: Runs, most: int, targets: int) -> Iterator[Chunk]:
    """Yield the chunks of the lists, unnumbered."""
    for resource_type, lists in sorted(runs.items()):
        width = sorting.width(resource_type)
        for packed in sorting.split(lists, most, width):
            items = len(packed) // width * targets
            if resource_type:
                yield Chunk(0, resource_type, items, ids=packed)
            else:
                yield Chunk(0, 0, items, names=sorting.unpack_names(packed))


def _in_hand(job: JobRecord, lists: Lists) -> Runs:
    packed = {**parts.numbered(job, lists), 0: sorting.pack_names(lists.names)}
    return {
        number: [sorting.reader(sorting.distinct(entries, width), width)]
        for number, entries in packed.items()
        if entries and (width := sorting.width(number))
    }


def _stored(connection: Connection, job_id: UUID) -> Runs:
    """Return the readers of a job's parts, each of which was sorted when it was stored."""
    keys = select(part.c.number, part.c.resource_type).where(part.c.job_id == job_id)
    runs: dict[int, list[sorting.Read]] = {}
    for number, resource_type in connection.execute(keys.where(part.c.entries.is_not(None))).all():
        read = _reader(connection, job_id, number, resource_type)
        runs.setdefault(resource_type, []).append(read)
    return runs


def _reader(connection: Connection, job_id: UUID, number: int, resource_type: int) -> sorting.Read:
    this = and_(
        part.c.job_id == job_id, part.c.number == number, part.c.resource_type == resource_type
    )
    width = sorting.width(resource_type)

    def read(start: int, count: int) -> bytes:
        window = func.substr(part.c.entries, start * width + 1, count * width)
        return bytes(connection.execute(select(window).where(this)).scalar_one())

    return read


def _open(connection: Connection, job_id: UUID, cut: Iterator[Chunk]) -> tuple[int, int]:
    """Store the chunks as open; return their number, and that of their items."""
    opened, total = 0, 0
    while batch := list(islice(cut, _BATCH)):
        connection.execute(insert(chunk_table), [chunk.row(job_id, "open") for chunk in batch])
        opened += len(batch)
        total += sum(chunk.items for chunk in batch)
    return opened, total
