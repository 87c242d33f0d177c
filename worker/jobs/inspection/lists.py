"""The lists that a job was sent with, where they are short."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, select

from tagsweep.worker.models.ids import WIDTH
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import chunk as chunks

#: most entries of all lists together that are read
SHORT = 20


def read(connection: Connection, job: JobRecord) -> dict[str, list[Any]]:
    """Return the entries of each list, by its name; nothing if there are many, or none is kept."""
    if not 0 < sum((job.sizes or {}).values()) <= SHORT:
        return {}
    first = and_(chunks.c.job_id == job.id, chunks.c.origin.is_(None), chunks.c.span.is_(None))
    columns = (chunks.c.resource_type, chunks.c.ids, chunks.c.names)
    found: dict[str, list[Any]] = {}
    for number, ids, names in connection.execute(select(*columns).where(first).limit(SHORT)):
        packed = ids or b""
        parts = (packed[at : at + WIDTH] for at in range(0, len(packed), WIDTH))
        places = names or [job.resources.shown(number, part) for part in parts]
        found.setdefault(_name(job, number), []).extend(places)
    return found


def _name(job: JobRecord, number: int) -> str:
    return job.resources.name_of(number) if number else "workspaces"
