"""What a pool process publishes of the small jobs that it has ended: at once, and each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.events import ending, outbox, relay
from tagsweep.worker.outages import Outage
from tagsweep.worker.tasks import batch
from tests.servers import Redis
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.listeners import RedisEvents
from tests.support.stack import eventually
from tests.support.stores import Store, new_ids

IDS = new_ids(40, seed=3)


@pytest.fixture
def events(
    postgres_store: Store, own_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RedisEvents]:
    """This process, as if it were a pool process whose publishing thread has nothing to do."""
    settings = {"database_url": postgres_store.url, "broker_url": own_redis.url}
    with configured(**settings, connect_timeout_s=2):
        monkeypatch.setattr(pool_process, "at_end", [])
        monkeypatch.setattr(relay, "_unpublished", Outage(relay.log, "again"))
        pool_process.in_pool.set()
        try:
            ending.publish(_ended("warm-up"))
            eventually(ending._rests.is_set)
            yield RedisEvents(own_redis.url)
        finally:
            pool_process.in_pool.clear()
            for end in pool_process.at_end:
                end()
            ending._thread.clear()
            ending._ending.clear()


def _ended(tenant: str) -> UUID:
    job_id = driving.record(driving.detach_job(tenant, []))
    driving.split(job_id, at_once=True)
    return job_id


def _do(store: Store, tenant: str, jobs: int = 1) -> list[str]:
    """Do small jobs as a pool process does them together; return their ids."""
    store.tag(tenant, "old", tables=IDS[:jobs])
    deliveries = [_delivery(tenant, one) for one in IDS[:jobs]]
    done = batch.do(deliveries)
    assert done == {one.task_id for one in deliveries}
    return [one.task_id for one in deliveries]


def _delivery(tenant: str, resource: str) -> Delivery:
    job_id = str(uuid4())
    body = driving.body({"tenant": tenant, "names": ["old"], "tables": [resource]})
    return Delivery(
        "tags.detach", job_id, (body,), {}, redelivered=False, reply_to=None, correlation_id=None
    )


def _published(events: RedisEvents, tenant: str) -> list[str]:
    return [event["subject"] for event in events.all() if event["data"]["tenant"] == tenant]


def _is_settled(store: Store, job_id: str) -> bool:
    (row,) = store.outbox(job_id)
    return None not in (row.published_at, row.answered_at, row.position)


def test_a_lone_jobs_event_is_there_when_the_job_is_done(
    events: RedisEvents, postgres_store: Store, own_redis: Redis, tenant: str
) -> None:
    (job_id,) = _do(postgres_store, tenant)
    assert _published(events, tenant) == [job_id]
    eventually(lambda: _is_settled(postgres_store, job_id))
    with redis.Redis.from_url(own_redis.url) as client:
        stored: Any = client.get(f"celery-task-meta-{job_id}")
    assert json.loads(stored)["result"]["counts"]["removed"] == 1
    assert relay.deliver() == 0
    assert _published(events, tenant) == [job_id]


def test_while_its_result_is_stored_nobody_else_publishes_the_event(
    events: RedisEvents, postgres_store: Store, tenant: str
) -> None:
    with database.transaction() as holding:
        outbox.mark(holding, *[outbox.claim(holding, [_ended(tenant)])] * 3)  # holds the feed
        (job_id,) = _do(postgres_store, tenant)
        assert relay.deliver() == 0
        assert not _is_settled(postgres_store, job_id)
    eventually(lambda: _is_settled(postgres_store, job_id))
    assert _published(events, tenant) == [job_id]


@pytest.mark.parametrize("jobs", [2, ending.FLOOD + 4])
def test_the_events_of_many_jobs_are_published_once_each(
    events: RedisEvents, postgres_store: Store, tenant: str, jobs: int
) -> None:
    done = _do(postgres_store, tenant, jobs)
    eventually(lambda: all(_is_settled(postgres_store, one) for one in done))
    assert sorted(_published(events, tenant)) == sorted(done)


@pytest.mark.slow
def test_while_the_stream_is_down_jobs_are_done_and_only_the_first_waits_for_it(
    events: RedisEvents, postgres_store: Store, own_redis: Redis, tenant: str
) -> None:
    own_redis.stop()
    done = _do(postgres_store, tenant)
    eventually(relay.is_hindered)
    eventually(ending._rests.is_set)
    with database.transaction() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "publish", None)  # the jobs' own thread does not even try
        step = ending.Ending(connection, ExitStack(), 1)
        step.claim([UUID(done[0])])
        assert step._claimed is None
    own_redis.start()
    assert relay.deliver() == 1
    assert _is_settled(postgres_store, done[0])
    assert _published(events, tenant) == done
