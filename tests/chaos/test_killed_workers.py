"""Processes of workers killed with signal 9, over and over, while jobs of every kind are done."""

from __future__ import annotations

import pytest

from tests.chaos import leftovers, scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import World
from tests.chaos.monkey import Monkey, at_large
from tests.support.fixtures import configured

pytestmark = pytest.mark.mapped

KILLS = scale.pick(short=20, long=200)
JOBS = scale.pick(short=60, long=260)
#: jobs that are sent at once: small ones among them are done together
BURST = 6


def test_whatever_is_killed_each_job_ends_once(make_stack: MakeStack, any_broker: str) -> None:
    draw = scale.draw("kills")
    stack = make_stack(any_broker, chunk_size=1_000, visibility_s=3)
    world = World(stack.store, draw)
    for _ in range(JOBS):
        world.errand(draw.choice([1, 5, 10, 20, 20, 20, 500, 5_000]))
    with configured(**stack.settings):
        for tenant in world.tenants:
            world.run(tenant, draw.choice([5, 2_500]))
    draw.shuffle(world.errands)
    for _ in range(3):
        stack.start_worker(concurrency=2)
    stack.wait()
    monkey = Monkey(stack, draw)
    with at_large(monkey.kill, scale.draw("pauses")) as loose:
        for number, errand in enumerate(world.errands, 1):
            if draw.random() < 0.3:
                with configured(**stack.settings):
                    world.record(errand)
            else:
                world.send(stack, errand)
            if number % BURST == 0:
                loose.wait_for(KILLS * number // JOBS)
    world.wait(seconds=60)
    for worker in stack.workers:
        worker.kill()
    stack.workers.clear()
    left = leftovers.leave(stack, world)
    stack.start_worker().wait_until_ready()
    left.assert_done_soon()
    world.check(stack._events.all())
