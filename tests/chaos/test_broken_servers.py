"""Servers that are wiped, killed and restarted in the middle of the work."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import psycopg
import pytest
import redis

from tagsweep.worker.database import schema
from tests.chaos import leftovers, scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import World
from tests.chaos.monkey import at_large
from tests.servers import Postgres, RabbitMQ, Redis
from tests.support.fixtures import configured
from tests.support.listeners import RedisEvents
from tests.support.stack import ROOT, ServerStack, environment

JOBS = scale.pick(short=12, long=60)
TIMES = scale.pick(short=2, long=8)
#: how long a server stays away: in the long run, longer than any pause between two tries
DOWN_S = scale.pick(short=1, long=20)
#: so long that a message in hand is tried more often than Celery by itself would try it
STORE_DOWN_S = scale.pick(short=5, long=60)
#: backends terminated
BACKENDS = scale.pick(short=25, long=300)


def _world(stack: ServerStack, name: str) -> World:
    draw = scale.draw(name)
    world = World(stack.store, draw)
    for _ in range(JOBS):
        world.errand(draw.choice([1, 300, 8_000]))
    return world


def _start(stack: ServerStack) -> None:
    for _ in range(2):
        stack.start_worker(concurrency=2)
    stack.wait()


def _told(events_url: str) -> list[dict[str, Any]]:
    events = RedisEvents(events_url)
    try:
        return events.all()
    finally:
        events.close()


def _check_workers(stack: ServerStack) -> None:
    """Assert that no worker needed a restart of its own."""
    assert not any(worker.ended for worker in stack.workers)


@pytest.mark.parametrize("how", ["flushed", "killed"])
def test_jobs_that_the_store_knows_outlive_a_wiped_redis(
    make_stack: MakeStack, redis_server: Redis, how: str
) -> None:
    events_url = redis_server.create_database()
    with Redis() as broker:
        url = broker.create_database()
        stack = make_stack(url, events_url=events_url, chunk_size=500)
        world = _world(stack, f"redis {how}")
        _start(stack)
        pieces = [world.errands[at::TIMES] for at in range(TIMES)]
        for piece in pieces:
            for errand in piece:
                world.record(errand)
            if how == "flushed":
                left = leftovers.leave(stack, world)
                with redis.Redis.from_url(url) as client:
                    client.flushall()
            else:
                broker.kill()
                left = leftovers.leave(stack, world)
                time.sleep(DOWN_S)  # the fault itself
                broker.start()
            left.assert_done_soon()
        world.wait(seconds=60)
        _check_workers(stack)
        world.check(_told(events_url))
        assert _republished(stack, url) == {f"{errand.id}.1" for errand in world.errands}
        stack.close()


def _republished(stack: ServerStack, events_url: str) -> set[str]:
    """Publish all events again, to a server that has none of them; return which came."""
    command = [
        sys.executable,
        "-m",
        "tagsweep.producer.cli",
        "events",
        "--since",
        "1d",
        "--republish",
    ]
    settings = {**stack.settings, "events_url": events_url}
    subprocess.run(
        command,
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    return {event["id"] for event in _told(events_url)}


def test_jobs_outlive_a_restart_of_rabbitmq(
    make_stack: MakeStack, own_rabbitmq: RabbitMQ, redis_server: Redis
) -> None:
    events_url = redis_server.create_database()
    stack = make_stack(own_rabbitmq.create_vhost(), events_url=events_url, chunk_size=500)
    world = _world(stack, "rabbitmq")
    _start(stack)
    for number, errand in enumerate(world.errands):
        if number % 2:
            world.record(errand)
        else:
            world.send(stack, errand)
    for end in (own_rabbitmq.stop, own_rabbitmq.kill):
        end()
        left = leftovers.leave(stack, world)
        time.sleep(DOWN_S)  # the fault itself
        own_rabbitmq.start()
        left.assert_done_soon()
    world.wait(seconds=60)
    _check_workers(stack)
    world.check(_told(events_url))


@pytest.fixture
def fragile(own_postgres: Postgres, make_stack: MakeStack, redis_server: Redis) -> ServerStack:
    """A stack whose PostgreSQL may be killed."""
    url = own_postgres.create_database()
    with configured(database_url=url):
        schema.upgrade()
    return make_stack(redis_server.create_database(), database_url=url, chunk_size=500)


def test_jobs_outlive_terminated_backends(fragile: ServerStack, own_postgres: Postgres) -> None:
    world = _world(fragile, "terminated backends")
    draw = scale.draw("backends")
    _start(fragile)
    terminated: list[int] = []

    def terminate() -> None:
        query = "SELECT pid FROM pg_stat_activity WHERE datname LIKE 'test_%' ORDER BY pid"
        with psycopg.connect(own_postgres.url, autocommit=True) as connection:
            pids = [row[0] for row in connection.execute(query)]
            if pids:
                terminated.append(draw.choice(pids))
                connection.execute("SELECT pg_terminate_backend(%s)", [terminated[-1]])

    with at_large(terminate, scale.draw("pauses"), pause_s=(0.2, 0.2)) as monkey:
        for errand in world.errands:
            world.send(fragile, errand)
        monkey.wait_for(BACKENDS)
    fragile.store.engine.dispose()
    leftovers.leave(fragile, world).assert_done_soon()
    world.wait(seconds=60)
    _check_workers(fragile)
    world.check(fragile._events.all())


def test_jobs_outlive_crashes_of_postgresql(fragile: ServerStack, own_postgres: Postgres) -> None:
    world = _world(fragile, "crashes")
    _start(fragile)
    pieces = [world.errands[at::3] for at in range(3)]
    for number, piece in enumerate(pieces):
        for errand in piece:
            world.send(fragile, errand)
        own_postgres.kill()
        time.sleep(0 if number else STORE_DOWN_S)  # the fault itself
        own_postgres.start()
        fragile.store.engine.dispose()
        leftovers.leave(fragile, world).assert_done_soon()
    world.wait(seconds=60)
    _check_workers(fragile)
    world.check(fragile._events.all())
