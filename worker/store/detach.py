"""Take tags off resources, as the detach contract specifies: links are deleted, tags stay.

A link attached after the job was accepted is not the job's to remove; both times are the
database's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.database.dialects import UNPACKED_IDS
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.models.tables import Id
from tagsweep.worker.store import links, ranges
from tagsweep.worker.store.kinds import Kind, Place, Targets

YOUNGER = "It carries the tag now: it was attached after the job was accepted."

# With BETWEEN a chunk is one range of the key, where its ids are looked up in a hash table, and no
# index descent for each of them; a join would have the rows in the order of the ids, all over the
# table, where this has them page by page (docs/decisions/0012).
_POSTGRESQL = """
    {verb} FROM @tag_link
    WHERE tag_id {tags} AND resource_type = :resource_type
      AND resource_id = ANY (:ids) AND resource_id BETWEEN :low AND :high
      AND created_at {when} :accepted_at
    {returning}
"""
_SQLITE = """
{verb} FROM @tag_link
WHERE tag_id = :tag AND resource_type = :resource_type AND created_at {when} :accepted_at
  AND resource_id IN {listed}
"""
_IDS = {"tag_id": Id(), "resource_id": Id()}


def _postgresql(verb: str, *, tags: str = "= ANY (:tags)", when: str = "<=", end: str = "") -> str:
    return _POSTGRESQL.format(verb=verb, tags=tags, when=when, returning=end)


def _sqlite(verb: str, *, when: str = "<=") -> str:
    return _SQLITE.format(verb=verb, when=when, listed=UNPACKED_IDS)


_DELETE = links.PerDialect(
    links.recorded(_postgresql("DELETE", end="RETURNING tag_id, resource_id")),
    links.statement(_sqlite("DELETE") + "RETURNING resource_id"),
)
_DELETE_ONE_TAG = _DELETE._replace(
    postgresql=links.recorded(
        _postgresql("DELETE", tags="= :tag", end="RETURNING tag_id, resource_id"), one_tag=True
    )
)
_COUNT = links.PerDialect(
    links.statement(_postgresql("SELECT count(*)")), links.statement(_sqlite("SELECT count(*)"))
)
_YOUNGER = links.PerDialect(
    links.statement(_postgresql("SELECT tag_id, resource_id", when=">")).columns(**_IDS),
    links.statement(_sqlite("SELECT tag_id, resource_id", when=">")).columns(**_IDS),
)


class Detach(Kind):
    """Deletes the links between tags and resources."""

    def match(self, connection: Connection, tenant: str, head: dict[str, Any]) -> Targets:
        """Return the tenant's tags that are named, each once, in the order of ``names``."""
        names = list(dict.fromkeys(head["names"]))
        existing = links.tags(connection, tenant, names)
        return [existing[name] for name in names if name in existing]

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links of the chunk ``apply`` would remove."""
        if chunk.is_range:
            return ranges.count(connection, job, chunk)
        return links.count(connection, job, chunk, _COUNT)

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Remove the links of the chunk and record which they were; raises StoreRefused."""
        if chunk.is_range:
            return Outcome(ranges.remove(connection, job, chunk))
        tags = links.existing(connection, job, chunk, lock=False)
        if not tags:
            return Outcome()  # with a tag that is gone, its links are gone too
        delete = _DELETE_ONE_TAG if len(tags) == 1 else _DELETE
        return Outcome(links.change(connection, job, chunk, tags, delete))

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the job's tags; those that were taken off a resource are updated now."""
        return links.report(connection, job)

    def younger(
        self, connection: Connection, job: JobRecord, chunk: Chunk
    ) -> dict[tuple[int, Place], str]:
        """Return the links of a list that exist now, but only since the job was accepted."""
        places = {UUID(tag["id"]): place for place, tag in enumerate(job.targets)}
        tags = [UUID(tag["id"]) for tag in job.targets_of(chunk)]
        rows = links.rows(connection, job, chunk, tags, _YOUNGER)
        return {(places[row.tag_id], row.resource_id.bytes): YOUNGER for row in rows}

    def cut(self, connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
        """Yield ranges of up to ``limit`` links that the job selects, unnumbered."""
        return ranges.cut(connection, job, limit)

    def listed(self, connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
        """Return what exists of a range as a chunk that lists it; any other chunk unchanged."""
        return ranges.listed(connection, job, chunk) if chunk.is_range else [chunk]

    def later(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links were counted in a range but created after the acceptance."""
        return ranges.later(connection, job, chunk)

    def matching(self, connection: Connection, job: JobRecord) -> int:
        """Return how many selected links carry the job's tags, whenever they were created."""
        return ranges.matching(connection, job)
