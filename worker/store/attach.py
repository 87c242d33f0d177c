"""Put tags on resources: an existing link stays as it is, and keeps its time."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.records import (
    NAME_TAKEN,
    Chunk,
    JobRecord,
    Outcome,
    Report,
    is_dropped,
    is_missing,
)
from tagsweep.worker.store import layouts, links, new_tags
from tagsweep.worker.store.kinds import Kind, Targets, Warnings
from tagsweep.worker.store.layout import OWN, Layout
from tagsweep.worker.store.statements import PerDialect, over, recorded, returning

GONE = "The tag no longer exists."

# in the order of the key, so that two jobs that add the same links wait, and do not deadlock
_ADD_POSTGRESQL = """
    INSERT INTO {at.links} ({at.inserted})
    SELECT tag.id, {at.inserting}
    FROM unnest(:tags) AS tag (id) CROSS JOIN unnest(:ids) AS listed (id)
    {at.missing_between}
    ORDER BY tag.id, listed.id
    {at.conflict}
    {returning}
"""
# Each row with all that it had. OFFSET 0: a text is parsed once, and not for each of its columns.
_RESTORE = """
    INSERT INTO {at.links} ({at.restored}) OVERRIDING SYSTEM VALUE
    SELECT tag.id, {at.restoring}
    FROM (SELECT CAST(:tag AS {at.tag_type})) AS tag (id)
    CROSS JOIN unnest(:ids, CAST(:kept AS text[])) AS listed (id, kept)
    {lines}
    CROSS JOIN LATERAL (SELECT {columns} AS kept OFFSET 0) AS old
    {at.missing_between}
    ORDER BY listed.id
    {returning}
"""
_JSON = "ARRAY(SELECT json_array_elements_text(CAST({text} AS json)))"
# as JSON until version 0.7, and the rows of a resource that may have several, one a line
_ONE_ROW = {
    "lines": "",
    "columns": "CASE WHEN left(listed.kept, 1) = '[' "
    f"THEN {_JSON.format(text='listed.kept')} ELSE CAST(listed.kept AS text[]) END",
}
_SEVERAL_ROWS = {
    "lines": "CROSS JOIN LATERAL unnest(string_to_array(listed.kept, chr(10))) AS line (kept)",
    "columns": _JSON.format(text="line.kept"),
}
_ADD_SQLITE = """
    INSERT INTO {at.links} ({at.inserted})
    SELECT :tag, {at.inserting} FROM {listed} AS listed WHERE true
    ON CONFLICT DO NOTHING
    RETURNING {at.returned_resource}
"""
_PRESENT_POSTGRESQL = """
    SELECT {at.counted} FROM {at.links}
    WHERE {at.tag} = ANY (:tags) AND {at.own}
      AND {at.resource} = ANY (:ids) AND {at.resource} BETWEEN :low AND :high
"""
_PRESENT_SQLITE = """
    SELECT {at.counted} FROM {at.links}
    WHERE {at.tag} = :tag AND {at.own} AND {at.resource} IN {listed}
"""


@cache
def _add(at: Layout) -> PerDialect:
    return PerDialect(
        recorded(at, _ADD_POSTGRESQL, how="added", returning=returning(at)),
        over(at, _ADD_SQLITE),
        adds=True,
    )


@cache
def _restore(at: Layout) -> PerDialect:
    parts = _ONE_ROW if at.single else _SEVERAL_ROWS
    end = returning(at, one_tag=True)
    sql = recorded(at, _RESTORE, how="restored", one_tag=True, returning=end, **parts)
    return PerDialect(sql, sql, adds=True)  # SQLite has no tables but our own


@cache
def _present(at: Layout) -> PerDialect:
    return PerDialect(
        over(at, _PRESENT_POSTGRESQL),
        over(at, _PRESENT_SQLITE),
    )


class Attach(Kind):
    """Adds the links between tags and resources; creates the tags that are missing."""

    def match(
        self, connection: Connection, tenant: str, head: dict[str, Any], at: Layout = OWN
    ) -> Targets:
        """Return all named tags, each once, in their order.

        One that does not exist has its future id, and None for its times; where a map forbids that
        tags are created, it is left out.
        """
        names = list(dict.fromkeys(head["names"]))
        existing = links.tags(connection, tenant, names, at)
        wanted = (existing.get(name) or (_missing(name) if at.creates else None) for name in names)
        return [one for one in wanted if one]

    def unmatched(self, connection: Connection, job: JobRecord, matched: Targets) -> Warnings:
        """Return a warning for each name that is no tag, where a map forbids that it is created."""
        return [] if layouts.of(job).creates else links.unmatched(connection, job, matched)

    def prepare(self, connection: Connection, job: JobRecord) -> Targets:
        """Create the tags that are missing; return the job's targets as they are then."""
        missing = {tag["name"]: UUID(tag["id"]) for tag in job.targets if is_missing(tag)}
        if not missing:
            return job.targets
        at = layouts.of(job)
        new_tags.create(connection, at, str(job.tenant), missing)
        created = links.tags(connection, job.tenant, missing, at)
        return [created.get(tag["name"], tag) for tag in job.targets]

    def restore(self, connection: Connection, job: JobRecord) -> Targets:
        """Make the tags again that were dropped; return the job's targets as they are then."""
        return new_tags.restore(connection, job)

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links ``apply`` would add."""
        at = layouts.of(job, chunk.resource_type)
        return chunk.items - links.count(connection, job, chunk, _present(at))

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Add the links of the chunk and record which are new; raises StoreRefused.

        Each item of a tag that no longer exists fails.
        """
        tags = links.existing(connection, job, chunk, lock=True)
        at = layouts.of(job, chunk.resource_type)
        adding = _restore(at) if at.mapped and chunk.values else _add(at)
        added = links.change(connection, job, chunk, tags, adding) if tags else 0
        places = range(len(job.targets)) if chunk.targets is None else chunk.targets
        gone = [place for place in places if UUID(job.targets[place]["id"]) not in tags]
        outcome = Outcome(added)
        for place in gone:
            is_taken = is_dropped(job.targets[place])
            why = ("name_taken", NAME_TAKEN) if is_taken else ("unknown_tag", GONE)
            lost = chunk.about([place])
            outcome += Outcome(0, lost.items, lost.failures(list(unpack(chunk.ids)), *why))
        return outcome

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the job's tags; those that were put on a resource are updated now."""
        return links.report(connection, job)


def _missing(name: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "name": name, "created_at": None, "updated_at": None}
