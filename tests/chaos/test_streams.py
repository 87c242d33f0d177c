"""Streams whose producer died end failed; those that merely wait do not."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tagsweep import TagSweep
from tagsweep.producer.spool import IDS_PER_PART
from tagsweep.worker.models.ids import pack
from tagsweep.worker.models.records import ENDS
from tests.chaos import scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import Errand, World
from tests.support.stack import ServerStack, close, eventually
from tests.support.stores import counts, new_ids, new_tenant

PARTS = 4
#: longer than any patience below
LONG_S = 5


@pytest.fixture
def stack(make_stack: MakeStack, any_broker: str) -> ServerStack:
    """A stack that soon asks for a producer that is silent."""
    return make_stack(any_broker, stream_silence_s=1, visibility_s=1, chunk_size=500)


def _send(stack: ServerStack, errand: Errand, numbers: Iterator[int] | range, nonce: str) -> None:
    ids = errand.body["tables"]
    head = {"tenant": errand.body["tenant"], "names": errand.body["names"]}
    for number in numbers:
        body: dict[str, Any] = {"job_id": errand.id, "nonce": nonce, "kind": "detach"}
        body |= {"number": number, "parts": PARTS if number == PARTS - 1 else None, "head": head}
        body["ids"] = {"tables": base64.b64encode(pack(ids[number::PARTS])).decode()}
        stack.send("tags.part", body, task_id=str(uuid4()))


def _prepared(stack: ServerStack, name: str) -> tuple[World, Errand]:
    world = World(stack.store, scale.draw(name))
    return world, world.detach(world.tenants[0], 2_000)


def _check_failed(stack: ServerStack, errand: Errand) -> None:
    """Assert that the job ended failed, once, and that nothing was removed."""
    job = eventually(lambda: (row := stack.store.job(errand.id)) and row.status in ENDS and row)
    assert (job.status, job.total, job.ends) == ("failed", 0, 1)
    (event,) = eventually(lambda: stack.events(errand.id))
    assert "producer stopped" in event["data"]["errors"][0]["reason"]
    left = {one for _, _, one in stack.store.links(errand.body["tenant"])}
    assert set(errand.body["tables"][::2]) <= left


def test_a_producer_that_died_half_way(stack: ServerStack) -> None:
    _, errand = _prepared(stack, "half-way")
    stack.start_worker(concurrency=2)
    _send(stack, errand, range(PARTS - 1), "one")
    _check_failed(stack, errand)


def test_a_producer_restarted_under_the_same_id(stack: ServerStack) -> None:
    """Parts of two runs are never mixed: which of them the list would be, nobody could say."""
    _, errand = _prepared(stack, "restarted")
    stack.start_worker(concurrency=2)
    _send(stack, errand, range(2), "one")
    eventually(lambda: (row := stack.store.job(errand.id)) and row.parts_in == 2)
    _send(stack, errand, range(PARTS), "another")
    _check_failed(stack, errand)


def test_workers_that_are_stopped_in_mid_stream(stack: ServerStack) -> None:
    world, errand = _prepared(stack, "stopped")
    stack.start_worker(concurrency=2)
    _send(stack, errand, range(1), "one")
    eventually(lambda: (row := stack.store.job(errand.id)) and row.parts_in == 1)
    stack.workers.pop().kill()
    _send(stack, errand, range(1, PARTS), "one")
    time.sleep(LONG_S)  # the fault itself: longer than any patience
    stack.start_worker(concurrency=2)
    world.wait(seconds=30)
    world.check(stack._events.all())


def test_a_generator_that_is_slow(stack: ServerStack) -> None:
    tenant = new_tenant()
    ids = new_ids(IDS_PER_PART + 1_000, seed=9)
    stack.store.tag(tenant, "t", tables=ids[:500])
    stack.start_worker(concurrency=2)

    def slowly() -> Iterator[str]:
        yield from ids[:IDS_PER_PART]
        time.sleep(LONG_S)  # the fault itself
        yield from ids[IDS_PER_PART:]

    sender = TagSweep(broker_url=stack.broker_url, results_url=stack.backend_url)
    done = sender.detach(tenant=tenant, names=["t"], tables=slowly()).result(timeout=60)
    close(sender._app, connections=True)
    assert done["status"] == "succeeded"
    assert done["counts"] == counts(
        total=IDS_PER_PART + 1_000, removed=500, absent=IDS_PER_PART + 500
    )
