"""The tag that others are merged into: found, created, kept, and where it was there before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, select

from tagsweep.worker.models.ids import slices, unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.store import layouts, links, new_tags
from tagsweep.worker.store.kinds import Place, Targets, Warnings
from tagsweep.worker.store.layout import Layout

GONE = "The tag {name} no longer exists."
NONE = (
    'There is no tag "{name}", and the map does not let jobs create it: nothing was merged. '
    "Create it where your application does, or set create = true in the map."
)


def find(connection: Connection, tenant: str, name: str, at: Layout) -> dict[str, Any] | None:
    """Return the tag; if it does not exist, with its future id, and None for its times.

    None where a map forbids that it is created.
    """
    found: dict[str, Any] | None = links.tags(connection, tenant, [name], at).get(name)
    if found or not at.creates:
        return found
    return {"id": str(uuid4()), "name": name, "created_at": None, "updated_at": None}


def unmatched(connection: Connection, job: JobRecord, matched: Targets) -> Warnings:
    """Return a warning for each name that is no tag, and for ``into`` if it cannot be one."""
    into, at = job.head["into"], layouts.of(job)
    there = matched or [*links.tags(connection, job.tenant, job.head["names"], at).values()]
    warnings = links.unmatched(connection, job, there)
    if not matched and find(connection, str(job.tenant), into, at) is None:
        reason = NONE.format(name=into)
        warnings.append({"path": "/into", "code": "unknown_tag", "reason": reason})
    return warnings


def create(connection: Connection, job: JobRecord, into: dict[str, Any]) -> dict[str, Any]:
    """Create the tag under the id that it has been given, and return it.

    A map's table, which numbers its tags, gives it another one.
    """
    name, at = into["name"], layouts.of(job)
    new_tags.create(connection, at, str(job.tenant), {name: UUID(into["id"])})
    created: dict[str, Any] = links.tags(connection, job.tenant, [name], at).get(name, into)
    return created


def holds(connection: Connection, job: JobRecord, chunk: Chunk, tag_id: UUID) -> bool:
    """Return whether the tenant has a tag for these links; if so, it will until the commit."""
    at = layouts.of(job, chunk.resource_type)
    known = at.tag_table.c.id
    query = select(known).where(at.of_tenant(job.tenant), known == tag_id)
    held = query.with_for_update(read=True, key_share=True)
    return connection.execute(held).first() is not None


def lost(job: JobRecord, chunks: Iterable[Chunk]) -> Outcome:
    """Return what becomes of links to be moved if the tag no longer exists: each fails."""
    reason = GONE.format(name=job.targets[0]["into"]["name"])
    outcome = Outcome()
    for one in chunks:
        failures = one.failures(list(unpack(one.ids)), "unknown_tag", reason)
        outcome += Outcome(0, one.items, failures)
    return outcome


def present(job: JobRecord, rows: Sequence[Any]) -> set[tuple[int, Place]]:
    """Return the links among those recorded that went where the tag was there already."""
    found: set[tuple[int, Place]] = set()
    for of_chunk in _by_chunk(rows):
        moved = of_chunk.pop(job.targets[0]["into"]["id"], set())
        for place, target in enumerate(job.targets):
            gone = of_chunk.get(target["id"], set())
            found.update((place, one) for one in gone - moved)
            moved -= gone
    return found


def _by_chunk(rows: Sequence[Any]) -> Iterator[dict[str, set[bytes]]]:
    """Yield the ids that each chunk has recorded, by tag."""
    chunks: dict[tuple[int, int], dict[str, set[bytes]]] = {}
    for row in rows:
        of_tag = chunks.setdefault((row.chunk, row.run), {})
        of_tag.setdefault(str(row.tag_id), set()).update(slices(row.ids))
    yield from chunks.values()
