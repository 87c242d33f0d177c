"""Merge tags: every link to one of ``names`` that was there at acceptance becomes one to ``into``.

Each target has in ``into`` the tag that its links go to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report, is_missing
from tagsweep.worker.store import links
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.store.kinds import Place, Targets, Warnings
from tagsweep.worker.store.layout import OWN, Layout
from tagsweep.worker.store.merge import destination, moving, spans


class Merge(Detach):
    """Moves the links of some tags to another; creates that one if it is missing."""

    def match(
        self, connection: Connection, tenant: str, head: dict[str, Any], at: Layout = OWN
    ) -> Targets:
        """Return the tenant's tags that are named, in the order of ``names``; a detach's, and more.

        If ``into`` does not exist, it has its future id, and None for its times. Where a map
        forbids that it is created, there is nothing to merge into, and none is returned.
        """
        into = destination.find(connection, tenant, head["into"], at)
        found = super().match(connection, tenant, head, at) if into else []
        return [one | {"into": into} for one in found]

    def unmatched(self, connection: Connection, job: JobRecord, matched: Targets) -> Warnings:
        """Return a warning for each name that is no tag, and for ``into`` if it cannot be one."""
        return destination.unmatched(connection, job, matched)

    def prepare(self, connection: Connection, job: JobRecord) -> Targets:
        """Create ``into`` if it is missing; return the job's targets as they are then."""
        if not job.targets or not is_missing(into := job.targets[0]["into"]):
            return job.targets
        created = destination.create(connection, job, into)
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
        if not destination.holds(connection, job, chunk, UUID(into["id"])):
            return destination.lost(job, self.listed(connection, job, chunk))
        ids = [UUID(one["id"]) for one in job.targets_of(chunk)]
        in_order = [one for one in ids if one in set(tags)]
        return moving.move(connection, job, chunk, in_order, UUID(into["id"]))

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
        return destination.present(job, rows)

    def cut(self, connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
        """Yield ranges of up to ``limit`` links that the job selects, unnumbered."""
        return spans.cut(connection, job, limit)

    def listed(self, connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
        """Return what exists of a range as chunks that list it; any other chunk unchanged."""
        return spans.listed(connection, job, chunk) if chunk.is_range else [chunk]

    def later(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many links were counted in a range but created after the acceptance."""
        return spans.later(connection, job, chunk)
