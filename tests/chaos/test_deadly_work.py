"""Work that kills whoever begins it is given up after a few tries; all other work goes on."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from tagsweep.worker import database
from tagsweep.worker.broker.app import BEGAN
from tagsweep.worker.models.ids import pack
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.tasks import recover, sweep
from tests.chaos import boundaries, faulty, scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import World
from tests.servers.processes import wait_until
from tests.support import driving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import (
    Store,
    counts,
    new_ids,
    new_tenant,
)

MOST_DEATHS = 7
IDS = sorted(new_ids(4_000, seed=11))
DELETE = "DELETE FROM tagsweep.tag_link"
DELETE_SQLITE = "DELETE FROM tag_link"
#: broker, and whether the whole worker dies or a child alone; the short run has one for each sort
CASES = [("redis", False), ("amqp", True), ("redis", True), ("amqp", False)]
OF_CHUNKS, OF_MESSAGES = (CASES, CASES) if scale.LONG else (CASES[:1], CASES[1:2])
BROKERS = ["redis", "amqp"] if scale.LONG else ["redis"]


@pytest.fixture
def stack(make_stack: MakeStack, any_broker: str) -> ServerStack:
    """A stack with small chunks; what dies with a worker comes back after a second."""
    return make_stack(any_broker, chunk_size=500, visibility_s=1)


def _until_ended(stack: ServerStack, job_id: str, fault: dict[str, Any]) -> Any:
    """Keep one faulty worker running, as a supervisor would, till the job has ended."""

    def ended() -> bool:
        if not stack.workers or stack.workers[-1].ended:
            faulty.start(stack, concurrency=1, **fault)
        job = stack.store.job(job_id)
        return job is not None and job.status in ENDS

    # for as long as it takes to start eight workers, one after the other
    assert wait_until(ended, seconds=300), stack.store.job(job_id)
    return stack.store.job(job_id)


@pytest.mark.parametrize("any_broker,whole", OF_CHUNKS, indirect=["any_broker"])
def test_a_chunk_that_kills_is_given_up_and_all_others_are_done(
    stack: ServerStack, *, whole: bool
) -> None:
    tenant = new_tenant()
    tag = stack.store.tag(tenant, "t", tables=IDS)
    world = World(stack.store, scale.draw("deadly chunk"))
    for errand in [world.detach(new_tenant(), 700) for _ in range(2)]:
        world.record(errand)
    body = {"tenant": tenant, "names": ["t"], "tables": IDS}
    pending = stack.send("tags.detach", body)
    fault = {"statement": DELETE, "values": {"tag": str(tag), "chunk": 3}, "whole": whole}
    job = _until_ended(stack, pending.id, fault)
    assert (job.status, job.removed, job.failed) == ("partial", 3_500, 500)
    assert "Workers crashed 5 times" in job.errors[0]["reason"]
    world.wait(seconds=30)
    world.check_stores()
    assert {one for _, _, one in stack.store.links(tenant)} == set(IDS[1_500:2_000])


@pytest.mark.parametrize("any_broker,whole", OF_MESSAGES, indirect=["any_broker"])
def test_a_message_that_kills_is_given_up_and_its_job_failed(
    stack: ServerStack, *, whole: bool
) -> None:
    tenant = new_tenant()
    stack.store.tag(tenant, "t", tables=IDS[:10])
    pending = stack.send("tags.detach", {"tenant": tenant, "names": ["t"], "tables": IDS[:10]})
    fault = {"statement": DELETE, "values": {"job_id": pending.id}, "whole": whole}
    job = _until_ended(stack, pending.id, fault)
    assert job.status == "failed"
    assert "Workers crashed" in job.errors[0]["reason"]
    assert len(stack.store.links(tenant)) == 10
    (event,) = eventually(lambda: stack.events(pending.id))
    assert event["data"]["status"] == "failed"
    assert event["data"]["counts"] == counts()


@pytest.mark.parametrize("any_broker", BROKERS, indirect=True)
def test_a_recorded_job_that_kills_is_given_up(stack: ServerStack) -> None:
    world = World(stack.store, scale.draw("deadly job"))
    deadly, other = world.detach(new_tenant(), 10), world.detach(new_tenant(), 700)
    for errand in (deadly, other):
        world.record(errand)
    fault = {"statement": DELETE, "values": {"job_id": deadly.id}, "whole": False}
    job = _until_ended(stack, deadly.id, fault)
    assert job.status == "failed"
    assert "Workers crashed 5 times" in job.errors[0]["reason"]
    eventually(lambda: stack.store.job(other.id).status == "succeeded")


def _live_till_death(*fault: bytes) -> None:
    """Work as one process after another does: each recovers, and dies where the fault is met."""

    def die(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if DELETE_SQLITE in statement and set(fault) <= set(parameters):
            raise boundaries.Died

    event.listen(database.engine(), "before_cursor_execute", die)
    try:
        recover.be_careful(BEGAN)
        driving.recovered()
        while sweep.apply_next():
            pass
    finally:
        event.remove(database.engine(), "before_cursor_execute", die)


@pytest.mark.parametrize("size", [3, 9], ids=["a recorded job", "a chunk"])
def test_what_kills_is_given_up_on_sqlite_too(sqlite_store: Store, size: int) -> None:
    driving.chunk_size(3)
    tenant, other = new_tenant(), new_tenant()
    for one in (tenant, other):
        sqlite_store.tag(one, "t", tables=IDS[:size])
    deadly = sqlite_store.tags(tenant)["t"].id.bytes, pack(IDS[size - 3 : size])
    job_id = driving.record(driving.detach_job(tenant, ["t"], tables=IDS[:size]))
    if size > 3:
        driving.split(job_id)
    beside = driving.record(driving.detach_job(other, ["t"], tables=IDS[:size]))
    deaths = 0
    while sqlite_store.job(job_id).status not in ENDS and deaths <= MOST_DEATHS:
        try:
            _live_till_death(*deadly)
        except boundaries.Died:
            deaths += 1
    job = sqlite_store.job(job_id)
    assert deaths <= MOST_DEATHS
    assert (job.removed, job.failed) == ((size - 3, 3) if size > 3 else (0, 0))
    assert "Workers crashed 5 times" in job.errors[0]["reason"]
    assert driving.finish(beside)["counts"]["removed"] == size
