"""Whose request is in the next batch."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any
from uuid import UUID, uuid4

from tagsweep.producer.gateway.submission.batching import MAX_ITEMS, MAX_JOBS, Queue, Waiter
from tagsweep.producer.gateway.submission.job_request import JobRequest
from tests.support import driving


def _add(queue: Queue, tenant: str, items: int = 1, job_id: UUID | None = None) -> Waiter:
    job = driving.detach_job(tenant, ["n"])
    wanted = JobRequest(job, job_id or uuid4(), b"", "nonce", 1.0)
    outcome: Any = Future()
    waiter = Waiter(wanted, items, outcome)
    queue.add(waiter)
    return waiter


def _tenants(queue: Queue) -> list[str]:
    return [waiter.wanted.job.tenant for waiter in queue.take()]


def test_tenants_take_turns_and_one_with_many_leaves_room_for_all() -> None:
    queue = Queue()
    for _ in range(1_000):
        _add(queue, "many")
    for tenant in ("a", "b", "a"):
        _add(queue, tenant)
    batch = _tenants(queue)
    assert batch[:5] == ["many", "a", "b", "many", "a"]
    assert len(batch) == MAX_JOBS
    assert len(queue.take_all()) == 1_003 - MAX_JOBS
    assert queue.take() == []


def test_a_batch_has_only_so_many_items_but_at_least_one_job() -> None:
    queue = Queue()
    for tenant, items in (("a", MAX_ITEMS * 2), ("b", 1), ("c", MAX_ITEMS), ("b", 2)):
        _add(queue, tenant, items)
    assert [_tenants(queue), _tenants(queue), _tenants(queue)] == [["a"], ["b", "b"], ["c"]]


def test_of_two_requests_under_one_id_the_second_waits_for_the_first() -> None:
    queue, same = Queue(), uuid4()
    for job_id in (same, same, uuid4()):
        _add(queue, "a", job_id=job_id)
    _add(queue, "b")
    assert _tenants(queue) == ["a", "b"]
    assert _tenants(queue) == ["a", "a"]


def test_one_that_does_not_wait_any_more_is_in_no_batch() -> None:
    queue = Queue()
    waiters = [_add(queue, tenant) for tenant in ("a", "b", "a", "c")]
    for gone in waiters[:2]:
        gone.resolve(None)
    assert queue.take() == waiters[2:]
    assert queue.take() == []
