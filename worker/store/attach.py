"""Put tags on resources: an existing link stays as it is, and keeps its time."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker.database.dialects import UNPACKED_IDS
from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.store import bulk_load, links
from tagsweep.worker.store.kinds import Kind, Targets

GONE = "The tag no longer exists."

_ADD = links.PerDialect(
    # in the order of the key, so that two jobs that add the same links wait, and do not deadlock
    links.recorded("""
        INSERT INTO @tag_link (tag_id, resource_type, resource_id)
        SELECT tag.id, :resource_type, listed.id
        FROM unnest(:tags) AS tag (id) CROSS JOIN unnest(:ids) AS listed (id)
        ORDER BY tag.id, listed.id
        ON CONFLICT DO NOTHING
        RETURNING tag_id, resource_id
    """),
    links.statement(f"""
        INSERT INTO @tag_link (tag_id, resource_type, resource_id)
        SELECT :tag, :resource_type, listed.id FROM {UNPACKED_IDS} AS listed WHERE true
        ON CONFLICT DO NOTHING
        RETURNING resource_id
    """),  # noqa: S608  # both texts are ours
)
_PRESENT = links.PerDialect(
    links.statement("""
        SELECT count(*) FROM @tag_link
        WHERE tag_id = ANY (:tags) AND resource_type = :resource_type
          AND resource_id = ANY (:ids) AND resource_id BETWEEN :low AND :high
    """),
    links.statement(f"""
        SELECT count(*) FROM @tag_link
        WHERE tag_id = :tag AND resource_type = :resource_type AND resource_id IN {UNPACKED_IDS}
    """),  # noqa: S608  # same
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
        created = links.tags(connection, job.tenant, missing)
        return [created.get(tag["name"], tag) for tag in job.targets]

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links ``apply`` would add."""
        return chunk.items - links.count(connection, job, chunk, _PRESENT)

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Add the links of the chunk and record which are new; raises StoreRefused.

        Each item of a tag that no longer exists fails.
        """
        tags = links.existing(connection, job, chunk, lock=True)
        added = links.change(connection, job, chunk, tags, _ADD) if tags else 0
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
