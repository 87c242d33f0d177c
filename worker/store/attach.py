"""Put tags on resources: an existing link stays as it is, and keeps its time."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker.database.dialects import UNPACKED_IDS
from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.store import bulk_load, layout, links
from tagsweep.worker.store.kinds import Kind, Targets
from tagsweep.worker.store.layout import Layout

GONE = "The tag no longer exists."

# in the order of the key, so that two jobs that add the same links wait, and do not deadlock
_ADD_POSTGRESQL = """
    INSERT INTO {at.links} ({at.inserted})
    SELECT tag.id, {at.inserting}
    FROM unnest(:tags) AS tag (id) CROSS JOIN unnest(:ids) AS listed (id)
    ORDER BY tag.id, listed.id
    ON CONFLICT DO NOTHING
    RETURNING {at.returned}
"""
_ADD_SQLITE = """
    INSERT INTO {at.links} ({at.inserted})
    SELECT :tag, {at.inserting} FROM {listed} AS listed WHERE true
    ON CONFLICT DO NOTHING
    RETURNING {at.returned_resource}
"""
_PRESENT_POSTGRESQL = """
    SELECT count(*) FROM {at.links}
    WHERE {at.tag} = ANY (:tags) AND {at.own}
      AND {at.resource} = ANY (:ids) AND {at.resource} BETWEEN :low AND :high
"""
_PRESENT_SQLITE = """
    SELECT count(*) FROM {at.links}
    WHERE {at.tag} = :tag AND {at.own} AND {at.resource} IN {listed}
"""


@cache
def _add(at: Layout) -> links.PerDialect:
    return links.PerDialect(
        links.recorded(at, _ADD_POSTGRESQL),
        links.statement(at, _ADD_SQLITE, listed=UNPACKED_IDS),
    )


@cache
def _present(at: Layout) -> links.PerDialect:
    return links.PerDialect(
        links.statement(at, _PRESENT_POSTGRESQL),
        links.statement(at, _PRESENT_SQLITE, listed=UNPACKED_IDS),
    )


class Attach(Kind):
    """Adds the links between tags and resources; creates the tags that are missing."""

    def match(self, connection: Connection, tenant: str, head: dict[str, Any]) -> Targets:
        """Return all named tags, each once, in their order.

        One that does not exist has its future id, and None for its times.
        """
        names = list(dict.fromkeys(head["names"]))
        existing = links.tags(connection, tenant, names)
        return [existing.get(name) or _missing(name) for name in names]

    def prepare(self, connection: Connection, job: JobRecord) -> Targets:
        """Create the tags that are missing; return the job's targets as they are then."""
        missing = {tag["name"]: UUID(tag["id"]) for tag in job.targets if tag["created_at"] is None}
        if not missing:
            return job.targets
        bulk_load.create_tags(connection, str(job.tenant), missing)
        created = links.tags(connection, job.tenant, missing, layout.of(job))
        return [created.get(tag["name"], tag) for tag in job.targets]

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links ``apply`` would add."""
        at = layout.of(job, chunk.resource_type)
        return chunk.items - links.count(connection, job, chunk, _present(at))

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Add the links of the chunk and record which are new; raises StoreRefused.

        Each item of a tag that no longer exists fails.
        """
        tags = links.existing(connection, job, chunk, lock=True)
        adding = _add(layout.of(job, chunk.resource_type))
        added = links.change(connection, job, chunk, tags, adding) if tags else 0
        places = range(len(job.targets)) if chunk.targets is None else chunk.targets
        gone = [place for place in places if UUID(job.targets[place]["id"]) not in tags]
        if not gone:
            return Outcome(added)
        lost = chunk.about(gone)
        failures = lost.failures(list(unpack(chunk.ids)), "unknown_tag", GONE)
        return Outcome(added, lost.items, failures)

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the job's tags; those that were put on a resource are updated now."""
        return links.report(connection, job)


def _missing(name: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "name": name, "created_at": None, "updated_at": None}
