"""The links that ``"*"`` selects of several tags, cut into ranges of resources.

All links of a resource are in one range: so the first of its names is moved, whoever applies which
range when.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import clock
from tagsweep.worker.store import layouts, links, ranges
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.statements import PerDialect, over

_COUNT = """
SELECT {at.counted} FROM {at.links}
WHERE {at.tag} {tags} AND {at.own}
  AND {at.resource} BETWEEN :low AND :high AND {when} AND {at.asked}
"""
_BEYOND = UUID(int=2**128 - 1)


@cache
def _counting(at: Layout, when: str) -> PerDialect:
    return PerDialect(
        over(at, _COUNT, tags="= ANY (:tags)", when=when),
        over(at, _COUNT, tags="= :tag", when=when),
    )


def cut(connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
    """Yield ranges of up to ``limit`` links that hold all that the job selects, unnumbered."""
    number = len(job.targets)
    # each tag has a link in so many at which a range may begin; of these every number-th does
    step = max(1, limit // (2 * number))
    for resource_type in job.selected:
        firsts = sorted(
            {
                first
                for target in job.targets
                for first in ranges.firsts(connection, job, resource_type, target, step)
            }
        )
        for low, beyond in pairwise([*firsts[::number], None]):
            high = UUID(int=beyond.int - 1) if beyond else _BEYOND
            one = Chunk(0, resource_type, 0, span=(str(low), str(high)))
            items = _counted(connection, job, one, "true")
            if items:
                yield replace(one, items=items)


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range would go."""
    return _counted(connection, job, chunk, layouts.of(job, chunk.resource_type).then)


def later(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many links of a range were created between the job's acceptance and the cut."""
    if job.started_at is None:  # it was split in this very transaction
        job = replace(job, started_at=connection.execute(select(clock())).scalar_one())
    return _counted(connection, job, chunk, layouts.of(job, chunk.resource_type).between)


def listed(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Return what would go of a range as chunks that list it: one for each tag, in their order."""
    places = range(len(job.targets)) if chunk.targets is None else chunk.targets
    return [
        one
        for place in places
        for one in ranges.listed(connection, job, replace(chunk, targets=[place]))
    ]


def _counted(connection: Connection, job: JobRecord, chunk: Chunk, when: str) -> int:
    counting = _counting(layouts.of(job, chunk.resource_type), when)
    return links.count(connection, job, chunk, counting)
