"""The items of a job that failed, grouped by why, with some of each group."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import failure

#: most rows that are read
READ = 10_000
SAMPLES = 5


@dataclass(slots=True)
class Group:
    """Items that failed for the same reason."""

    code: str
    reason: str
    count: int = 0
    samples: list[str] = field(default_factory=list)


def read(connection: Connection, job: JobRecord) -> list[Group]:
    """Return the groups of the items in the first READ failures, the largest first."""
    if not job.failed:
        return []
    why, where = (failure.c.code, failure.c.reason), (failure.c.resource_type, failure.c.place)
    query = select(*why, *where, failure.c.target).where(failure.c.job_id == job.id).limit(READ)
    groups: dict[tuple[str, str], Group] = {}
    for code, reason, resource_type, place, target in connection.execute(query):
        group = groups.setdefault((code, reason), Group(code, reason))
        group.count += len(job.targets) if target is None else 1
        shown = _shown(job, resource_type, place)
        if len(group.samples) < SAMPLES and shown not in group.samples:
            group.samples.append(shown)
    return sorted(groups.values(), key=lambda group: -group.count)


def _shown(job: JobRecord, resource_type: int, place: str) -> str:
    if not resource_type:
        return place
    return str(job.resources.shown(resource_type, UUID(place).bytes))
