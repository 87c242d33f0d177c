"""SIGTERM: a worker ends within ten seconds, and what it had in hand is done by another."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from tests.chaos import leftovers, scale
from tests.chaos.conftest import MakeStack
from tests.servers.processes import spawn
from tests.support.locks import held_link, wait_for_waiting
from tests.support.stack import (
    ServerStack,
    Worker,
    environment,
    eventually,
)
from tests.support.stores import new_ids, new_tenant

IDS = sorted(new_ids(10_000, seed=4))
MOST_S = 10


class OurCommand(Worker):
    """A worker started by ``tagsweep worker``."""

    def __init__(self, stack: ServerStack) -> None:
        self.folder = stack.folder / "our-command"
        self.folder.mkdir(parents=True)
        command = [sys.executable, "-m", "tagsweep.producer.cli", "worker", "--concurrency", "1"]
        self.process = spawn(command, folder=self.folder, environment=environment(**stack.settings))

    def wait_until_ready(self) -> None:
        """Return once both of its Celery workers take messages."""
        eventually(lambda: self.log.count(" ready.") == 2)


def _ours(stack: ServerStack) -> Worker:
    stack.workers.append(OurCommand(stack))
    return stack.workers[-1]


def _celerys(stack: ServerStack) -> Worker:
    return stack.start_worker()


#: the short run tries our own command in one of them alone
MESSAGE, SWEEP = 10, 10_000
CASES = [
    pytest.param(broker, start, size, id=f"{broker}-{start.__name__}-{size}")
    for broker in ("redis", "amqp")
    for size in (MESSAGE, SWEEP)
    for start in (_celerys, _ours)
    if scale.LONG or start is _celerys or (broker, size) == ("redis", SWEEP)
]


@pytest.mark.parametrize("any_broker,start,size", CASES, indirect=["any_broker"])
def test_what_takes_too_long_is_rolled_back_and_done_by_another(
    make_stack: MakeStack, any_broker: str, start: Callable[[ServerStack], Worker], size: int
) -> None:
    stack = make_stack(any_broker, chunk_size=500)
    tenant = new_tenant()
    stack.store.tag(tenant, "t", tables=IDS[:size])
    worker = start(stack)
    stack.wait()
    with held_link(stack.store, IDS[size // 2]):
        body = {"tenant": tenant, "names": ["t"], "tables": IDS[:size]}
        pending = stack.send("tags.detach", body)
        wait_for_waiting(stack.store)
        asked_at = time.monotonic()
        worker.process.terminate()
        eventually(lambda: worker.ended)
        took = time.monotonic() - asked_at
    stack.workers.remove(worker)
    stack.start_worker().wait_until_ready()
    done = pending.get(timeout=leftovers.SOON_S)
    assert worker.process.returncode == 0
    assert took < MOST_S
    assert (done["status"], done["counts"]["removed"]) == ("succeeded", size)
    assert stack.store.links(tenant) == set()
    assert {event["id"] for event in stack.events(pending.id)} == {f"{pending.id}.1"}
