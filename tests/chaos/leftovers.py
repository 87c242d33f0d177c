"""What crashes leave behind in the store, and how soon it goes on once the fault is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.jobs import queries, recording
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.tasks import start
from tests.chaos.model import Errand, World
from tests.servers.processes import wait_until
from tests.support.driving import lists
from tests.support.fixtures import configured

if TYPE_CHECKING:
    from tests.support.stack import ServerStack

#: how soon after a fault work goes on that the store knows
SOON_S = 10
SIZE, CHUNK = 40, 10


@dataclass(frozen=True)
class Leftovers:
    """One job of each way in which a crash leaves work behind; no message is on its way for any."""

    world: World
    unswept: Errand  #: split, and its sweeps are lost
    unsplit: Errand  #: recorded, and nobody was told
    untold: Errand  #: ended, and its event is not published

    def assert_done_soon(self) -> None:
        """Assert that within SOON_S from now each of them has ended and its event is published."""
        assert wait_until(lambda: not self._left(), seconds=SOON_S), self._left()

    def _left(self) -> list[str]:
        left = []
        for name in ("unswept", "unsplit", "untold"):
            errand: Errand = getattr(self, name)
            job, rows = self.world.store.job(errand.id), self.world.store.outbox(errand.id)
            if job.status not in ENDS or not all(row.published_at for row in rows):
                left.append(f"{name}: {job.status}, {job.open} chunks open")
        return left


def leave(stack: ServerStack, world: World) -> Leftovers:
    """Leave in the store what a crash would; the broker hears nothing of it."""
    unswept, unsplit = (world.detach(world.tenants[0], SIZE) for _ in range(2))
    untold = world.detach(world.tenants[0], 2)
    with configured(**{**stack.settings, "chunk_size": CHUNK}):
        world.record(unsplit)
        for errand in (unswept, untold):
            _record_and_split(errand)
    return Leftovers(world, unswept, unsplit, untold)


def _record_and_split(errand: Errand) -> None:
    """Do both in one transaction: between two, a worker that lives would split it too."""
    job_id, some = UUID(errand.id), lists(tables=errand.body["tables"])
    with database.transaction() as connection:
        recording.record_with_lists(connection, job_id, errand.job(), [some])
        start.start(connection, queries.lock(connection, job_id))
