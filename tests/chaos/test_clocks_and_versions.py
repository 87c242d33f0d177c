"""A worker whose clock is an hour off, and one of another schema version."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.chaos import scale, skewed
from tests.chaos.conftest import MakeStack
from tests.chaos.model import World
from tests.support.stack import ServerStack, eventually

HOUR_S = 3_600
JOBS = scale.pick(short=12, long=60)


def _errands(stack: ServerStack, name: str) -> World:
    draw = scale.draw(name)
    world = World(stack.store, draw)
    for _ in range(JOBS):
        world.errand(draw.choice([1, 300, 4_000]))
    return world


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
def test_the_clock_of_a_worker_decides_nothing(
    make_stack: MakeStack, any_broker: str, seconds: int
) -> None:
    stack = make_stack(any_broker, chunk_size=500)
    world = _errands(stack, f"clock {seconds}")
    skewed.start(stack, seconds)
    stack.start_worker()
    stack.wait()
    for number, errand in enumerate(world.errands):
        if number % 3:
            world.send(stack, errand)
        else:
            world.record(errand)
    world.wait(seconds=60)
    world.check(stack._events.all())
    events = stack._events.all()
    assert len(events) == len(world.errands)
    times = [stack.store.job(errand.id) for errand in world.errands]
    assert max(job.finished_at for job in times) - min(
        job.accepted_at for job in times
    ) < timedelta(seconds=120)
    with stack.store.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM attempt")).scalar_one() == 0


@pytest.mark.parametrize("version", ["0001", "9999"], ids=["older", "newer"])
def test_a_worker_refuses_a_schema_of_another_version(
    make_stack: MakeStack, any_broker: str, version: str
) -> None:
    stack = make_stack(any_broker, chunk_size=500)
    world = _errands(stack, f"version {version}")
    old = stack.start_worker()
    stack.wait()
    for errand in world.errands[::2]:
        world.send(stack, errand)
    with stack.store.transaction() as connection:
        connection.execute(text("UPDATE tagsweep_version SET version_num = :v"), {"v": version})
    refused = stack.start_worker()
    eventually(lambda: refused.ended)
    assert refused.process.returncode == 1
    assert f"has schema {version}" in refused.log
    for errand in world.errands[1::2]:
        world.send(stack, errand)
    world.wait(seconds=60)
    assert not old.ended
    world.check(stack._events.all())
