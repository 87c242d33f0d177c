"""Undo a job, chunk by chunk, with the statements of the opposite kind.

What the job added is removed if it is still as the job left it: anything created after the job's
end belongs to somebody else. What it removed is put back if nothing has replaced it since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.store.attach import Attach
from tagsweep.worker.store.delete import Delete
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.store.kinds import Kind
from tagsweep.worker.store.workspaces import single


@dataclass(frozen=True, slots=True)
class _Step:
    apply: Callable[[Connection, JobRecord, Chunk], Outcome]
    count: Callable[[Connection, JobRecord, Chunk], int]


_ATTACH, _DETACH, _DELETE = Attach(), Detach(), Delete()
#: by whether it is about links, and whether it adds
_STEPS = {
    (True, True): _Step(_ATTACH.apply, _ATTACH.count),
    (True, False): _Step(_DETACH.apply, _DETACH.count),
    (False, True): _Step(single.put, single.count_put),
    (False, False): _Step(single.take, single.count_take),
}


class Undo(Kind):
    """Reverts what another job changed; its targets and chunks come from that job's record."""

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Put back, or remove, what the chunk lists and record it; raises StoreRefused."""
        return _step(job, chunk).apply(connection, job, chunk)

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many items ``apply`` would change."""
        return _step(job, chunk).count(connection, job, chunk)

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the tags concerned, as the kind that was undone reports its own."""
        return (_ATTACH if job.about_links else _DELETE).report(connection, job)


def _step(job: JobRecord, chunk: Chunk) -> _Step:
    return _STEPS[chunk.about_links, job.adds]
