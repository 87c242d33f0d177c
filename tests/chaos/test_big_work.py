"""Much work, and work that stands in each other's way."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text

from tagsweep.worker.jobs import control
from tagsweep.worker.models.records import ENDS
from tests.chaos import scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import World
from tests.chaos.monkey import Monkey, at_large
from tests.servers import Redis
from tests.support.stack import ServerStack, eventually
from tests.support.stores import (
    adds_up,
    counts,
    new_ids,
    new_tenant,
)

SIZES = [8_002, *([1_000_000] if scale.LONG else [])]
BIG = scale.pick(short=4_000, long=20_000)
FAIR_JOBS = scale.pick(short=40, long=100)


@pytest.fixture
def stack(make_stack: MakeStack, redis_server: Redis) -> ServerStack:
    """PostgreSQL, Redis and, once started, workers."""
    return make_stack(redis_server.create_database(), visibility_s=3)


def _start(stack: ServerStack, workers: int = 2) -> None:
    for _ in range(workers):
        stack.start_worker(concurrency=2)
    stack.wait()


@pytest.mark.parametrize("size", SIZES)
def test_one_tag_on_many_resources_leaves_none_behind(stack: ServerStack, size: int) -> None:
    stack.settings["chunk_size"] = 500 if size < 100_000 else 10_000
    ids, tenant = new_ids(size, seed=size), new_tenant()
    stack.store.tag(tenant, "old", tables=ids)
    _start(stack, 3)
    draw = scale.draw(f"many {size}")
    monkey = Monkey(stack, draw)
    with at_large(monkey.kill, draw) as loose:
        pending = stack.send("tags.detach", {"tenant": tenant, "names": ["old"], "tables": ids})
        loose.wait_for(scale.pick(short=5, long=20))
    eventually(lambda: (job := stack.store.job(pending.id)) and job.status in ENDS, 120)
    job = stack.store.job(pending.id)
    assert (job.status, job.removed, job.absent) == ("succeeded", size, 0)
    assert stack.store.links(tenant) == set()
    eventually(lambda: stack.events(pending.id))
    assert {event["id"] for event in stack.events(pending.id)} == {f"{pending.id}.1"}


def test_two_jobs_over_the_same_links_in_opposite_order(stack: ServerStack) -> None:
    stack.settings["chunk_size"] = 1_000
    ids, tenant = new_ids(50_000, seed=5), new_tenant()
    stack.store.tag(tenant, "a", tables=ids)
    stack.store.tag(tenant, "b", tables=ids[::2])
    _start(stack)
    bodies = (
        {"tenant": tenant, "names": ["a", "b"], "tables": ids},
        {"tenant": tenant, "names": ["b", "a"], "tables": ids[::-1]},
    )
    pending = [stack.send("tags.detach", body) for body in bodies]
    done = [one.get(timeout=90) for one in pending]
    assert [one["status"] for one in done] == ["succeeded", "succeeded"]
    assert all(map(adds_up, done))
    assert sum(one["counts"]["removed"] for one in done) == 75_000
    assert stack.store.links(tenant) == set()


def test_what_a_trigger_refuses_fails_alone_and_a_retry_does_it(stack: ServerStack) -> None:
    ids, tenant = new_ids(20_000, seed=6), new_tenant()
    stack.store.tag(tenant, "a", tables=ids)
    refused = sorted(ids)[500::2_900][:7]
    with stack.store.transaction() as connection:
        connection.execute(_trigger(refused))
        connection.execute(
            text(
                "CREATE TRIGGER keep BEFORE DELETE ON tag_link FOR EACH ROW EXECUTE FUNCTION keep()"
            )
        )
    _start(stack)
    pending = stack.send("tags.detach", {"tenant": tenant, "names": ["a"], "tables": ids})
    done = pending.get(timeout=60)
    assert done["status"] == "partial"
    assert done["counts"] == counts(total=20_000, removed=19_993, failed=7)
    assert {one for _, _, one in stack.store.links(tenant)} == set(refused)
    assert all("is under contract" in error["reason"] for error in done["errors"])
    with stack.store.transaction() as connection:
        connection.execute(text("DROP TRIGGER keep ON tag_link"))
        control.retry(connection, UUID(pending.id))
    eventually(lambda: stack.store.job(pending.id).status == "succeeded")
    assert stack.store.links(tenant) == set()
    ids_told = eventually(lambda: [e["id"] for e in stack.events(pending.id)][1:])
    assert ids_told == [f"{pending.id}.2"]


def _trigger(refused: list[str]) -> TextClause:
    listed = ", ".join(f"'{one}'" for one in refused)
    return text(f"""
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF OLD.resource_id::text IN ({listed}) THEN
                RAISE EXCEPTION '% is under contract', OLD.resource_id;
            END IF;
            RETURN OLD;
        END $$
    """)


def test_a_small_job_is_served_at_once_and_tenants_share_evenly(stack: ServerStack) -> None:
    """100 big jobs of A, then a small and a big one of B."""
    world = World(stack.store, scale.draw("fair"), tenants=[new_tenant(), new_tenant()])
    first, second = world.tenants
    stack.settings["chunk_size"] = 1_000
    for _ in range(FAIR_JOBS):
        world.detach(first, BIG)
    small, big = world.detach(second, 10), world.detach(second, BIG * 8)
    for errand in world.errands[:-2]:
        world.record(errand)
    _start(stack)
    eventually(lambda: _removed(stack, first) > BIG)
    sent_at = time.monotonic()
    world.send(stack, small)
    eventually(lambda: (job := stack.store.job(small.id)) and job.status in ENDS)
    took = time.monotonic() - sent_at
    world.send(stack, big)
    # from when it was split: its message has to be taken up before it can have a turn
    eventually(lambda: (job := stack.store.job(big.id)) and job.status != "queued")
    before, begun = _removed(stack, first), stack.store.job(big.id).removed
    eventually(lambda: (job := stack.store.job(big.id)) and job.status in ENDS, 60)
    of_first = _removed(stack, first) - before
    of_second = stack.store.job(big.id).removed - begun
    world.wait(seconds=120)
    world.check(stack._events.all())
    assert took < 1
    assert of_second >= 0.4 * (of_first + of_second)


def _removed(stack: ServerStack, tenant: str) -> int:
    query = text("SELECT coalesce(sum(removed), 0) FROM job WHERE tenant = :tenant")
    with stack.store.transaction() as connection:
        return int(connection.execute(query, {"tenant": tenant}).scalar_one())
