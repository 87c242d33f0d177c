"""Whose turn it is: the tenant served longest ago, and its job served longest ago."""

from __future__ import annotations

import time
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.jobs import scheduling
from tagsweep.worker.tasks import sweep
from tests.support import driving
from tests.support.stores import Store, new_ids, new_tenant


def _opened(store: Store, tenant: str, chunks: int) -> UUID:
    """Open a job of so many chunks."""
    store.tag(tenant, "legacy")
    driving.chunk_size(2)
    return driving.opened(driving.detach_job(tenant, ["legacy"], tables=new_ids(2 * chunks)))


def _next() -> UUID | None:
    """Apply the chunk whose turn it is; return its job."""
    job = sweep.apply_next()
    _let_the_clock_tick()
    return job.id if job else None


def _let_the_clock_tick() -> None:
    """SQLite's clock counts milliseconds: what is served within one is served at the same time."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= now + 1:
        pass


def test_tenants_take_turns_however_long_their_jobs_are(store: Store) -> None:
    long = _opened(store, new_tenant(), chunks=4)
    _let_the_clock_tick()
    short = _opened(store, new_tenant(), chunks=2)
    assert [_next() for _ in range(7)] == [long, short, long, short, long, long, None]


def test_a_tenant_of_many_jobs_gets_no_more_turns_than_another(store: Store) -> None:
    busy, quiet = new_tenant(), new_tenant()
    many = {_opened(store, busy, chunks=2) for _ in range(3)}
    _let_the_clock_tick()
    one = _opened(store, quiet, chunks=3)
    order = [_next() for _ in range(6)]
    assert [job == one for job in order] == [False, True] * 3
    assert set(order) == {*many, one}


def test_a_small_job_does_not_wait_behind_a_big_one_of_its_tenant(
    store: Store, tenant: str
) -> None:
    big = _opened(store, tenant, chunks=5)
    assert _next() == big
    small = _opened(store, tenant, chunks=1)
    assert _next() == small
    assert [_next() for _ in range(5)] == [big] * 4 + [None]


def test_a_new_tenant_is_served_next(store: Store) -> None:
    old = _opened(store, new_tenant(), chunks=5)
    assert [_next(), _next()] == [old, old]
    new = _opened(store, new_tenant(), chunks=1)
    assert _next() == new


def test_a_chunk_that_another_holds_is_passed_over(postgres_store: Store, tenant: str) -> None:
    job_id = _opened(postgres_store, tenant, chunks=2)
    with database.transaction() as first, database.transaction() as second:
        one, two = scheduling.claim(first), scheduling.claim(second)
        assert one is not None
        assert two is not None
        assert (one[0].id, two[0].id) == (job_id, job_id)
        assert (one[1].number, two[1].number) == (0, 1)
        with database.transaction() as third:
            assert scheduling.claim(third) is None


def test_where_one_job_is_held_another_is_served(postgres_store: Store) -> None:
    first = _opened(postgres_store, new_tenant(), chunks=1)
    second = _opened(postgres_store, new_tenant(), chunks=1)
    with database.transaction() as held:
        claimed = scheduling.claim(held)
        assert claimed is not None
        assert claimed[0].id == first
        assert _next() == second
        assert _next() is None


def test_chunks_of_a_job_are_served_in_their_order(store: Store, tenant: str) -> None:
    job_id = _opened(store, tenant, chunks=5)
    seen = []
    for _ in range(5):
        with database.transaction() as connection:
            claimed = scheduling.claim(connection)
        assert claimed is not None
        seen.append(claimed[1].number)
        sweep.apply_next()
    assert seen == [0, 1, 2, 3, 4]
    assert store.job(job_id).status == "succeeded"
