"""Take tags off resources, as the detach contract specifies: links are deleted, tags stay.

A link attached after the job was accepted is not the job's to remove; both times are the
database's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, select

from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.models.tables import Id
from tagsweep.worker.store import layouts, links, ranges
from tagsweep.worker.store.kinds import Kind, Place, Targets, Warnings
from tagsweep.worker.store.layout import OWN, Layout
from tagsweep.worker.store.statements import PerDialect, over, recorded, returning

#: why an item is absent although the link is there
SPARED = {
    "younger": "It carries the tag now: it was attached later.",
    "untimely": "It carries the tag: it was attached at another time than the job asks for.",
    "kept": "It carries the tag: it also carries one of those in unless.",
}

# With BETWEEN a chunk is one range of the key, where its ids are looked up in a hash table, and no
# index descent for each of them; a join would have the rows in the order of the ids, all over the
# table, where this has them page by page (docs/decisions/0012).
_POSTGRESQL = """
    {verb} FROM {at.links}
    WHERE {at.tag} {tags} AND {at.own}
      AND {at.resource} = ANY (:ids) AND {at.resource} BETWEEN :low AND :high
      AND {when}
    {returning}
"""
# Of few ids, with one plan for whatever the values are. To a condition on few of them any index of
# the resources seems as good as the key; to a join the key alone gives one link for each.
_FEW = """
    {verb} FROM {at.links} USING unnest(:ids) AS listed (wanted)
    WHERE {at.tag} = :tag AND {at.own} AND {at.resource} = listed.wanted AND {when}
    {returning}
"""
_SQLITE = """
{verb} FROM {at.links}
WHERE {at.tag} = :tag AND {at.own} AND {when}
  AND {at.resource} IN {listed}
{returning}
"""
_IDS = {"tag_id": Id(), "resource_id": Id()}


@cache
def _delete(at: Layout, *, one_tag: bool) -> PerDialect:
    tags = "= :tag" if one_tag else "= ANY (:tags)"
    parts = {"verb": "DELETE", "when": f"{at.then} AND {at.asked}"}
    end = returning(at, one_tag=one_tag, removed=True)
    few = one_tag and not at.mapped  # which keys a table of the operator's has, is not known
    return PerDialect(
        recorded(at, _POSTGRESQL, one_tag=one_tag, tags=tags, returning=end, **parts),
        over(at, _SQLITE, returning=f"RETURNING {at.returned_resource}", **parts),
        recorded(at, _FEW, one_tag=True, returning=end, **parts) if few else None,
    )


@cache
def _count(at: Layout) -> PerDialect:
    return PerDialect(*_reading(at, f"SELECT {at.counted}", f"{at.then} AND {at.asked}"))


@cache
def _spared(at: Layout) -> PerDialect:
    why = (
        f"CASE WHEN NOT ({at.then}) THEN 'younger' WHEN NOT ({at.timely}) THEN 'untimely' "
        "ELSE 'kept' END AS why"
    )
    verb, when = f"SELECT {at.returned}, {why}", f"NOT ({at.then} AND {at.asked})"
    postgresql, sqlite = _reading(at, verb, when)
    return PerDialect(postgresql.columns(**_IDS), sqlite.columns(**_IDS))


def _reading(at: Layout, verb: str, when: str) -> tuple[TextClause, TextClause]:
    parts = {"verb": verb, "when": when, "returning": ""}
    return (
        over(at, _POSTGRESQL, tags="= ANY (:tags)", **parts),
        over(at, _SQLITE, **parts),
    )


class Detach(Kind):
    """Deletes the links between tags and resources."""

    def match(
        self, connection: Connection, tenant: str, head: dict[str, Any], at: Layout = OWN
    ) -> Targets:
        """Return the tenant's tags that are named, each once, in the order of ``names``.

        Or the one whose id is given, which may have another name by now.
        """
        if "tag" in head:
            known = at.tag_table
            query = select(known).where(at.of_tenant(tenant), known.c.id == UUID(head["tag"]))
            return [links.shown(row) for row in connection.execute(query)]
        names = list(dict.fromkeys(head["names"]))
        existing = links.tags(connection, tenant, names, at)
        return [existing[name] for name in names if name in existing]

    def unmatched(self, connection: Connection, job: JobRecord, matched: Targets) -> Warnings:
        """Return a warning for each name that is no tag of the tenant's."""
        return links.unmatched(connection, job, matched)

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links of the chunk ``apply`` would remove."""
        if chunk.is_range:
            return ranges.count(connection, job, chunk)
        counting = _count(layouts.of(job, chunk.resource_type))
        return links.count(connection, job, chunk, counting)

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Remove the links of the chunk and record which they were; raises StoreRefused."""
        if chunk.is_range:
            return Outcome(ranges.remove(connection, job, chunk))
        tags = links.existing(connection, job, chunk, lock=False)
        if not tags:
            return Outcome()  # with a tag that is gone, its links are gone too
        delete = _delete(layouts.of(job, chunk.resource_type), one_tag=len(tags) == 1)
        return Outcome(links.change(connection, job, chunk, tags, delete))

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the job's tags; those that were taken off a resource are updated now."""
        return links.report(connection, job)

    def spared(
        self, connection: Connection, job: JobRecord, chunk: Chunk
    ) -> dict[tuple[int, Place], str]:
        """Return the links of a list that exist now, but are not the job's to remove."""
        places = {UUID(tag["id"]): place for place, tag in enumerate(job.targets)}
        tags = [UUID(tag["id"]) for tag in job.targets_of(chunk)]
        spared = _spared(layouts.of(job, chunk.resource_type))
        rows = links.rows(connection, job, chunk, tags, spared)
        return {(places[row.tag_id], row.resource_id.bytes): SPARED[row.why] for row in rows}

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
