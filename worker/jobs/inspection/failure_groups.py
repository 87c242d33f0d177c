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
    """Return the groups of the first READ failures, the largest first."""
    if not job.failed:
        return []
    columns = (failure.c.code, failure.c.reason, failure.c.place, failure.c.resource_type)
    query = select(*columns).where(failure.c.job_id == job.id).limit(READ)
    groups: dict[tuple[str, str], Group] = {}
    for code, reason, place, resource_type in connection.execute(query):
        group = groups.setdefault((code, reason), Group(code, reason))
        group.count += 1
        if len(group.samples) < SAMPLES:
            group.samples.append(_shown(job, resource_type, place))
    return sorted(groups.values(), key=lambda group: -group.count)


def _shown(job: JobRecord, resource_type: int, place: str) -> str:
    if not resource_type:
        return place
    return str(job.resources.shown(resource_type, UUID(place).bytes))
