"""Split a job that runs a preview: its chunks are the preview's.

A list is taken as it was. Of a range, which would hold by now what nobody was shown, the links that
the preview recorded become a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select

from tagsweep.worker.jobs import lifecycle
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.models.ids import slices
from tagsweep.worker.models.records import CHANGING, Chunk, JobRecord
from tagsweep.worker.models.tables import chunk as chunks
from tagsweep.worker.models.tables import link_change, workspace_tag_change
from tagsweep.worker.store import delete

#: rows of chunks sent at once
_BATCH = 4


def split(connection: Connection, job: JobRecord) -> JobRecord:
    """Split a run that the caller has locked; return it as it is, ended if nothing was shown."""
    preview = runs.preview_of(connection, job)
    if preview is None:
        return lifecycle.end(connection, job, "rejected", [runs.GONE])
    if job.acts_as in {"attach", *CHANGING} or job.adds or job.head.get("unless"):
        # what a preview shows of these, as-of does not bound
        limit = {"max_affected": preview.changed}
        job = lifecycle.change(connection, job, head=job.head | limit)
    opened, total = 0, 0
    shown = _shown(connection, preview)
    numbers = count()
    while batch := [replace(one, number=next(numbers)) for one in islice(shown, _BATCH)]:
        connection.execute(insert(chunks), [one.row(job.id, "open") for one in batch])
        opened += len(batch)
        total += sum(one.items for one in batch)
    return lifecycle.begin(connection, job, preview.targets, opened, total)


def _shown(connection: Connection, preview: JobRecord) -> Iterator[Chunk]:
    """Yield the preview's chunks, unnumbered, one in memory at a time."""
    first = chunks.c.job_id == preview.id, chunks.c.origin.is_(None)
    numbers = connection.execute(select(chunks.c.number).where(*first).order_by(chunks.c.number))
    for number in numbers.scalars().all():
        this = chunks.c.job_id == preview.id, chunks.c.number == number
        one = Chunk.of(connection.execute(select(chunks).where(*this)).one())
        one = replace(one, tries=0, pieces=1)
        if one.is_range:
            yield from _recorded(connection, preview, one)
        else:
            yield one


def _recorded(connection: Connection, preview: JobRecord, one: Chunk) -> Iterator[Chunk]:
    """Yield what the preview recorded of a range, retries included, as lists."""
    again = select(chunks.c.number).where(
        chunks.c.job_id == preview.id, chunks.c.origin == one.number
    )
    parts = [one.number, *connection.execute(again).scalars()]
    if one.about_links:
        for targets, ids in _links(preview, _rows(connection, link_change, preview, parts)):
            yield one.listing(ids=ids).about(targets)
        return
    names: dict[int, list[str]] = {}
    for row in _rows(connection, workspace_tag_change, preview, parts):
        names.setdefault(delete.first_match(preview, row), []).append(row.workspace_id)
    for target, some in sorted(names.items()):
        yield one.listing(names=sorted(some), target=target)


def _links(preview: JobRecord, rows: list[Any]) -> Iterator[tuple[list[int], bytes]]:
    """Yield the links of a range: resources, packed, that carry the same of the job's tags."""
    places = {UUID(one["id"]): place for place, one in enumerate(preview.targets)}
    carried: dict[bytes, set[int]] = {}
    for row in rows:
        if row.tag_id in places:  # else it is the tag that a merge moves them to
            for one in slices(row.ids):
                carried.setdefault(one, set()).add(places[row.tag_id])
    alike: dict[tuple[int, ...], list[bytes]] = {}
    for one, targets in sorted(carried.items()):
        alike.setdefault(tuple(sorted(targets)), []).append(one)
    for some, ids in sorted(alike.items()):
        yield [*some], b"".join(ids)


def _rows(connection: Connection, table: Any, preview: JobRecord, parts: list[int]) -> list[Any]:
    these = table.c.job_id == preview.id, table.c.chunk.in_(parts)
    return list(connection.execute(select(table).where(*these)).all())
