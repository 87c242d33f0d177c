"""Which jobs are small: an express worker does them itself, and leaves the others to be split.

An express worker takes jobs alone, no sweeps and no parts, so that a small job waits neither for a
chunk nor for the splitting of a large job.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from tagsweep.worker.models import sorting
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import WIDTH
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import part

#: most items of a small job: some ten milliseconds of work, for which other small jobs may wait
MAX_ITEMS = 2_000


def is_small(job: Job) -> bool:
    """Tell whether a job is small, by its lists: one that has none, as an undo, is not."""
    lists = (*job.packed().values(), *job.packed_resources().values())
    listed = sum(len(packed) // WIDTH for packed in lists)
    return _is_small(job.head(), listed + len(job.workspace_ids()))


def is_small_record(connection: Connection, job: JobRecord) -> bool:
    """Tell whether a job that is recorded with its lists is small."""
    sizes = select(part.c.resource_type, func.length(part.c.entries)).where(
        part.c.job_id == job.id, part.c.entries.is_not(None)
    )
    rows = connection.execute(sizes).all()
    return _is_small(job.head, sum(size // sorting.width(number) for number, size in rows))


def _is_small(head: dict[str, Any], listed: int) -> bool:
    given = {**head, **head.get("resources", {})}
    targets = sum(len(value) for value in head.values() if isinstance(value, list))
    return EVERY not in given.values() and 0 < listed * max(1, targets) <= MAX_ITEMS
