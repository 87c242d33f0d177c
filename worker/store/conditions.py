"""What the conditions of a job ask of a link, as a part of every statement that it is about."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

from tagsweep.worker.models.options import conditions
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.store.layout import Layout


def narrowed(at: Layout, job: JobRecord) -> Layout:
    """Return the layout ``at``, of whose links only those that meet the job's conditions count."""
    asked = conditions.of(job.head)
    if not asked:
        return at
    return _narrowed(at, bool(asked.attached_before), bool(asked.attached_after), bool(job.sparing))


def values(job: JobRecord) -> dict[str, Any]:
    """Return the bind parameters of the conditions of ``job``."""
    asked = conditions.of(job.head)
    return {
        "attached_before": asked.attached_before,
        "attached_after": asked.attached_after,
        "unless": [UUID(one) for one in job.sparing or ()],
    }


@cache
def _narrowed(at: Layout, before: bool, after: bool, sparing: bool) -> Layout:  # noqa: FBT001  # cached by them
    times = [f"{at.time} < :attached_before"] * before + [f"{at.time} >= :attached_after"] * after
    timely = " AND ".join(times) or "true"
    return replace(at, timely=timely, asked=f"{timely} AND NOT {at.carries}" if sparing else timely)
