"""Undo a job, chunk by chunk, with the statements of the opposite kind.

What the job added is removed if it is still as the job left it: anything created after the job's
end belongs to somebody else. What it removed is put back if nothing has replaced it since. A key
that it set gets its former value, or goes, if it still has the value that was set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from tagsweep.worker.models.records import Chunk, JobRecord, Outcome, Report
from tagsweep.worker.store.attach import Attach
from tagsweep.worker.store.delete import Delete
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.store.kinds import Kind, Targets
from tagsweep.worker.store.merge import reverting
from tagsweep.worker.store.set import Set
from tagsweep.worker.store.workspaces import former, single


@dataclass(frozen=True, slots=True)
class _Step:
    apply: Callable[[Connection, JobRecord, Chunk], Outcome]
    count: Callable[[Connection, JobRecord, Chunk], int]


_ATTACH, _DETACH, _DELETE, _SET = Attach(), Detach(), Delete(), Set()
#: by whether it is about links, and whether it adds
_STEPS = {
    (True, True): _Step(_ATTACH.apply, _ATTACH.count),
    (True, False): _Step(_DETACH.apply, _DETACH.count),
    (False, True): _Step(single.put, single.count_put),
    (False, False): _Step(single.take, single.count_take),
}
#: by the kind that is undone, where it changes things
_CHANGING = {
    "set": _Step(former.give_back, former.count),
    "merge": _Step(reverting.apply, reverting.count),
}


class Undo(Kind):
    """Reverts what another job changed; its targets and chunks come from that job's record."""

    def apply(self, connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
        """Put back, or remove, what the chunk lists and record it; raises StoreRefused."""
        return _step(job, chunk).apply(connection, job, chunk)

    def count(self, connection: Connection, job: JobRecord, chunk: Chunk) -> int:
        """Return how many items ``apply`` would change."""
        return _step(job, chunk).count(connection, job, chunk)

    def prepare(self, connection: Connection, job: JobRecord) -> Targets:
        """Make the tags again that the undone job dropped; return the job's targets."""
        return _ATTACH.restore(connection, job) if job.about_links else job.targets

    def report(self, connection: Connection, job: JobRecord) -> Report:
        """Return the tags concerned, as the kind that was undone reports its own."""
        if job.reverts == "set":
            return _SET.report(connection, job)
        return (_ATTACH if job.about_links else _DELETE).report(connection, job)


def _step(job: JobRecord, chunk: Chunk) -> _Step:
    return _CHANGING[job.reverts] if job.reverts else _STEPS[chunk.about_links, job.adds]
