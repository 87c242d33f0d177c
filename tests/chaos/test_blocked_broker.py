"""RabbitMQ without memory takes no messages, and tells nobody: all wait, and nobody for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tagsweep import TagSweep
from tagsweep.worker.errors import BrokerUnavailable
from tests.chaos import leftovers, scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import World
from tests.servers import RabbitMQ
from tests.support.gateway import serving
from tests.support.stack import ServerStack, close, eventually
from tests.support.stores import new_tenant

JOBS = scale.pick(short=8, long=40)
BLOCKED_S = scale.pick(short=6, long=60)
MOST_S = 10


@pytest.fixture
def stack(make_stack: MakeStack, own_rabbitmq: RabbitMQ) -> ServerStack:
    """Workers on a RabbitMQ that the test may block."""
    stack = make_stack(own_rabbitmq.create_vhost(), chunk_size=500)
    for _ in range(2):
        stack.start_worker(concurrency=2)
    stack.wait()
    return stack


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    begun_at = time.monotonic()
    yield
    assert time.monotonic() - begun_at < seconds


def test_nobody_hangs_on_a_broker_that_takes_no_messages_and_all_goes_on_after_it(
    stack: ServerStack, own_rabbitmq: RabbitMQ
) -> None:
    world = World(stack.store, draw := scale.draw("blocked"))
    sender = TagSweep(broker_url=stack.broker_url)
    with serving(stack) as gateway, gateway.client(new_tenant()) as client:
        assert client.post("/api/v1/tags/detach/", json={"names": ["n"]}).status_code == 200
        for _ in range(JOBS):
            world.send(stack, world.errand(draw.choice([1, 300, 4_000])))
        own_rabbitmq.take_no_messages()
        blocked_at = time.monotonic()
        for _ in range(JOBS):
            world.record(world.errand(draw.choice([1, 300, 4_000])))
        with _at_most(MOST_S):
            assert (
                client.post("/api/v1/jobs/", json={"kind": "detach", "names": ["n"]}).status_code
                == 202
            )
        with _at_most(MOST_S), pytest.raises(BrokerUnavailable):
            sender.detach(tenant=new_tenant(), names=["n"])
        leaving = stack.workers.pop()
        late = stack.start_worker(concurrency=2)
        time.sleep(max(0, blocked_at + BLOCKED_S - time.monotonic()))  # the fault itself
        with _at_most(MOST_S):
            leaving.process.terminate()
            eventually(lambda: leaving.ended)
        left = leftovers.leave(stack, world)
        own_rabbitmq.take_messages()
        left.assert_done_soon()
        assert client.post("/api/v1/tags/detach/", json={"names": ["n"]}).status_code == 200
        world.wait(seconds=30)
    close(sender._app, connections=True)
    assert not any(worker.ended for worker in (*stack.workers, late))
    world.check_stores()
