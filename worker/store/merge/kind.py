"""Merge tags: every link to one of ``names`` that was there at acceptance becomes one to ``into``.

Each target has in ``into`` the tag that its links go to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.worker.models.ids import slices, unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report, is_missing
from tagsweep.worker.store import links
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.store.kinds import Place, Targets
from tagsweep.worker.store.layout import OWN, Layout
from tagsweep.worker.store.merge import moving, spans

GONE = "The tag {name} no longer exists."


class Merge(Detach):
    """Moves the links of some tags to another; creates that one if it is missing."""

    def match(
        self, connection: Connection, tenant: str, head: dict[str, Any], at: Layout = OWN
    ) -> Targets:
        """Return the tenant's tags that are named, in the order of ``names``; a detach's, and more.

        If ``into`` does not exist, it has its future id, and None for its times.
        """
        name = head["into"]
        into = links.tags(connection, tenant, [name], at).get(name)
        into = into or {"id": str(uuid4()), "name": name, "created_at": None, "updated_at": None}
        return [one | {"into": into} for one in super().match(connection, tenant, head, at)]

    def prepare(self, connection: Connection, job: JobRecord) -> Targets:
        """Create ``into`` if it is missing; return the job's targets as they are then."""
        if not job.targets or not is_missing(into := job.targets[0]["into"]):
            return job.targets
        created = moving.create(connection, str(job.tenant), into)
        return [one | {"into": created} for one in job.targets]

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links of the chunk ``apply`` would take: moved, or present."""
        if chunk.is_range:
            return spans.count(connection, job, chunk)
        return super().count(connection, job, chunk)

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Move the links of the chunk and record which they were; raises StoreRefused.

        If ``into`` no longer exists, each link that would be moved fails.
        """
        tags = links.existing(connection, job, chunk, lock=False)
        if not tags:
            return Outcome()  # with a tag that is gone, its links are gone too
        into = job.targets[0]["into"]
        if not moving.holds(connection, job.tenant, UUID(into["id"])):
            return self._lost(connection, job, chunk)
        ids = [UUID(one["id"]) for one in job.targets_of(chunk)]
        in_order = [one for one in ids if one in set(tags)]
        return moving.move(connection, job, chunk, in_order, UUID(into["id"]))

    def _lost(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        reason = GONE.format(name=job.targets[0]["into"]["name"])
        outcome = Outcome()
        for one in self.listed(connection, job, chunk):
            failures = one.failures(list(unpack(one.ids)), "unknown_tag", reason)
            outcome += Outcome(0, one.items, failures)
        return outcome

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the job's tags, and last ``into``; those whose links changed are updated now."""
        if not job.targets:
            return super().report(connection, job)
        into = job.targets[0]["into"]
        return super().report(connection, replace(job, matched=[*job.targets, into]))

    def present(self, job: JobRecord, rows: Sequence[Any]) -> set[tuple[int, Place]]:
        """Return the links that went where ``into`` was there already.

        Of several names on a resource the first one was moved: later ones found it there.
        """
        found: set[tuple[int, Place]] = set()
        for of_chunk in _by_chunk(rows):
            moved = of_chunk.pop(job.targets[0]["into"]["id"], set())
            for place, target in enumerate(job.targets):
                gone = of_chunk.get(target["id"], set())
                found.update((place, one) for one in gone - moved)
                moved -= gone
        return found

    def cut(self, connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
        """Yield ranges of up to ``limit`` links that the job selects, unnumbered."""
        return spans.cut(connection, job, limit)

    def listed(self, connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
        """Return what exists of a range as chunks that list it; any other chunk unchanged."""
        return spans.listed(connection, job, chunk) if chunk.is_range else [chunk]

    def later(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links were counted in a range but created after the acceptance."""
        return spans.later(connection, job, chunk)


def _by_chunk(rows: Sequence[Any]) -> Iterator[dict[str, set[bytes]]]:
    """Yield the ids that each chunk has recorded, by tag."""
    chunks: dict[tuple[int, int], dict[str, set[bytes]]] = {}
    for row in rows:
        of_tag = chunks.setdefault((row.chunk, row.run), {})
        of_tag.setdefault(str(row.tag_id), set()).update(slices(row.ids))
    yield from chunks.values()
