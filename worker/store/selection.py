"""What ``"*"`` selects: everything of a sort that carries the job's tags when it is accepted.

The store cuts it into ranges of the key, which are applied as they stand; their items are named
only where one by one something has to be said of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tagsweep.worker.models import sorting
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.store import KINDS


def cut(
    connection: Connection,
    job: JobRecord,
    matched: list[dict[str, Any]],
    most_resources: int,
    most_items: int | None,
) -> Iterator[Chunk]:
    """Yield the ranges of what a job selects, unnumbered; none where it selects nothing.

    ``most_items``: of one range, under a ceiling on items per second.
    """
    if job.selected:
        most = sorting.size(most_resources, 1, most_items)
        yield from KINDS[job.kind].cut(connection, replace(job, matched=matched), most)


def listed(connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
    """Return what of a range is there, as chunks that name it; any other chunk as it is."""
    if chunk.span is None:
        return [chunk]
    found: list[Chunk] = KINDS[job.kind].listed(connection, job, chunk)
    return found


def rest(connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome) -> tuple[int, int]:
    """Return how many items of an applied chunk were absent, and by how much more or fewer it had.

    Other than was counted when it was cut only a range can have: fewer, as far as links came to be
    between the job's acceptance and then; more, as far as some were not visible then.
    """
    left = chunk.items - outcome.removed - outcome.failed
    if chunk.span is None or left <= 0:
        return max(left, 0), max(-left, 0)
    later = min(left, KINDS[job.kind].later(connection, job, chunk))
    return left - later, -later


def remaining(connection: Connection, job: JobRecord) -> int | None:
    """Return how much still carries the tags where the job selects; None where it selects nothing.

    Of a preview, how much still would.
    """
    if job.matched is None or not job.selected:
        return None
    found: int = KINDS[job.kind].remaining(connection, job)
    return max(0, found - job.removed) if job.dry_run else found
