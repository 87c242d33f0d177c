"""Detaches from our own tables: one statement finds the tags of all, and removes the links.

Jobs of other kinds are matched first, and applied in a second round trip, which is a good part of
what a small job takes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from tagsweep.worker.chunks import batch_matching
from tagsweep.worker.chunks.batch_changes import Applied
from tagsweep.worker.chunks.batch_matching import Cut
from tagsweep.worker.chunks.plain import Chunks
from tagsweep.worker.database import pipelines
from tagsweep.worker.errors import StoreBusy
from tagsweep.worker.jobs import batch_rows
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.jobs.batch_rows import Begun
from tagsweep.worker.store.batches import detach_by_name
from tagsweep.worker.store.batches.detach_by_name import Named

#: so many jobs take less time than the statement for them would to be planned
FEW = 4


def apply(
    connection: Connection, new_jobs: Sequence[NewJob], chunks: Chunks
) -> tuple[list[Cut], Begun, Applied]:
    """Do jobs of these ``chunks``; return those that could be done, and what they have changed."""
    work = [
        Named(new.job_id, new.job.tenant, [name for _, name in batch_matching.named(new)], chunk)
        for new in new_jobs
        for chunk in chunks[new.job_id]
    ]
    with pipelines.pipelined(connection):
        begin = batch_rows.begin(
            connection,
            [new.job_id for new in new_jobs],
            planned_once=len(new_jobs) <= FEW,
            at_once=True,
        )
        detach = detach_by_name.detach(connection, work)
    begun, detached = begin(), detach()
    if not begun.known.isdisjoint(detached.jobs):
        raise StoreBusy("A job that was there a moment ago is gone.")
    jobs = [new for new in new_jobs if new.job_id not in begun.known]
    unmatched = batch_matching.unmatched(connection, jobs, detached.tags)
    cuts = []
    for new in jobs:
        places = batch_matching.named(new)
        matched = [detached.tags[place] for place in places if place in detached.tags]
        own = [replace(one, items=one.size * len(matched)) for one in chunks[new.job_id]]
        told = unmatched.get(new.job_id, ())
        cuts.append(batch_matching.cut(new, matched, own if matched else [], begun, unmatched=told))
    return cuts, begun, Applied.of_detaches(detached.changes)
