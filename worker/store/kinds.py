"""What every kind of job has to offer: the statements that find, change, count and report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.store.layout import OWN, Layout

#: what a job acts on, in the order in which chunks refer to it
Targets = list[dict[str, Any]]
#: what of a job matches nothing
Warnings = list[ItemError]
#: the packed id of a resource, or the id of a workspace
Place = bytes | str


class Kind(ABC):
    """A kind of job; what only some kinds have is empty or nothing unless overridden."""

    def match(
        self, connection: Connection, tenant: str, head: dict[str, Any], at: Layout = OWN
    ) -> Targets:
        """Return what a job acts on, read when it is split; changes nothing."""
        return []

    def unmatched(self, connection: Connection, job: JobRecord, matched: Targets) -> Warnings:
        """Return a warning for each part of a job about to be split that matches nothing."""
        return []

    def unmatched_in(
        self, connection: Connection, job: JobRecord, chunks: Iterable[Chunk]
    ) -> Warnings:
        """Return the warnings that the job will have at its end, before any chunk is applied."""
        return []

    def warnings(self, connection: Connection, job: JobRecord, report: Report) -> Warnings:
        """Return all warnings of a job that ends: those it has, and what its end shows."""
        return list(job.warnings or [])

    def prepare(self, connection: Connection, job: JobRecord) -> Targets:
        """Create what must exist before the first chunk is applied; return the job's targets."""
        return job.targets

    @abstractmethod
    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many items ``apply`` would change, under the same conditions."""

    @abstractmethod
    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Change the chunk's items and record which were changed; raises StoreRefused."""

    @abstractmethod
    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the tags of the completion event; a dry run's report changes nothing."""

    def spared(
        self, connection: Connection, job: JobRecord, chunk: Chunk
    ) -> dict[tuple[int, Place], str]:
        """Return the items of a list that match now, but are not the job's to change.

        Keys: the target's place among the job's targets, and the item's; values: a sentence that
        explains it.
        """
        return {}

    def present(self, job: JobRecord, rows: Sequence[Any]) -> set[tuple[int, Place]]:
        """Return the items among those recorded that were there already, as keys of ``spared``."""
        return set()

    def cut(self, connection: Connection, job: JobRecord, limit: int) -> Iterator[Chunk]:
        """Yield what ``"*"`` selects as unnumbered ranges of up to ``limit`` resources each."""
        yield from ()

    def listed(self, connection: Connection, job: JobRecord, chunk: Chunk) -> list[Chunk]:
        """Return what exists of a range as chunks that list it; any other chunk unchanged."""
        return [chunk]

    def later(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many items were counted in a range but created after the job's acceptance."""
        return 0

    def matching(self, connection: Connection, job: JobRecord) -> int:
        """Return how many items match what ``"*"`` selects, whenever they were created."""
        return 0

    def untouched(
        self, connection: Connection, job: JobRecord, chunk: Chunk, outcome: Outcome
    ) -> tuple[int, int]:
        """Return how many items of an applied chunk were absent, and by how much its size differs.

        Only a range can differ from what was counted when it was cut: it has fewer items if links
        were created between the job's acceptance and then, more if some were not visible then.
        """
        left = chunk.items - outcome.changed - outcome.failed
        if not chunk.is_range or left <= 0:
            return max(left, 0), max(-left, 0)
        later = min(left, self.later(connection, job, chunk))
        return left - later, -later

    def remaining(self, connection: Connection, job: JobRecord) -> int | None:
        """Return how many items still match what ``"*"`` selects; None if it selects nothing.

        For a dry run: how many still would.
        """
        if job.matched is None or not job.selected:
            return None
        matching = self.matching(connection, job)
        return max(0, matching - job.changed) if job.dry_run else matching
