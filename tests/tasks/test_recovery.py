"""Whatever a crash has left open in the store is set going again, by any worker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import redis
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.broker import sending
from tagsweep.worker.models.tables import outbox
from tagsweep.worker.tasks import recover, start, sweep
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stack import Stack, eventually
from tests.support.stores import (
    Store,
    counts,
    new_ids,
    new_tenant,
)
from tests.support.wire import STREAM

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


@pytest.fixture
def wired(store: Store, redis_url: str) -> Iterator[Store]:
    """A store whose process has a broker, where nobody listens."""
    with configured(database_url=store.url, broker_url=redis_url):
        yield store


def _published(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return int(client.xlen(STREAM))


def _recorded(store: Store, tenant: str, how_many: int = 4) -> UUID:
    ids = new_ids(how_many)
    store.tag(tenant, "legacy", tables=ids)
    return driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))


def test_a_job_that_was_only_recorded_is_split(wired: Store, tenant: str, redis_url: str) -> None:
    job_id = _recorded(wired, tenant)
    recover.run()
    assert sending.sweeps_waiting() > 0
    sweep.run()
    assert wired.job(job_id).status == "succeeded"
    assert driving.finish(job_id)["counts"] == counts(total=4, removed=4)
    assert _published(redis_url) == 1


@pytest.mark.slow
def test_open_chunks_without_a_message_get_one(wired: Store, tenant: str) -> None:
    driving.chunk_size(2)
    job_id = _recorded(wired, tenant)
    driving.split(job_id)
    assert sending.sweeps_waiting() == 0
    recover.run()
    assert sending.sweeps_waiting() > 0
    assert driving.finish(job_id)["status"] == "succeeded"


@pytest.mark.slow
def test_however_often_only_a_few_sweeps_wait(wired: Store, tenant: str) -> None:
    driving.chunk_size(1)
    driving.split(_recorded(wired, tenant, 50))
    for _ in range(30):
        recover.run()
    assert 0 < sending.sweeps_waiting() <= 8


def test_an_event_that_was_left_behind_is_published(
    wired: Store, tenant: str, redis_url: str
) -> None:
    job_id = _recorded(wired, tenant)
    driving.split(job_id, at_once=True)
    assert _published(redis_url) == 0
    recover.run()
    (row,) = wired.outbox(job_id)
    assert row.published_at is not None
    assert row.answered_at is not None
    assert _published(redis_url) == 1
    recover.run()
    assert _published(redis_url) == 1


def test_where_nothing_stands_open_nothing_happens(wired: Store, redis_url: str) -> None:
    recover.run()
    assert wired.outbox() == []
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("tagsweep.sweep") == 0


@pytest.mark.slow
def test_ten_recoveries_at_once_do_no_harm(wired: Store, tenant: str, redis_url: str) -> None:
    driving.chunk_size(2)
    split = [_recorded(wired, new_tenant()) for _ in range(5)]
    for job_id in split:
        driving.split(job_id)
    recorded = [_recorded(wired, new_tenant(), 2) for _ in range(5)]
    unpublished = _recorded(wired, tenant, 2)
    driving.split(unpublished, at_once=True)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: driving.recovered(), range(10)))
    while sweep.apply_next():
        pass
    recover.run()
    jobs = [*split, *recorded, unpublished]
    for job_id in jobs:
        assert wired.job(job_id).ends == 1
        (row,) = wired.outbox(job_id)
        assert row.published_at is not None
    assert _published(redis_url) == len(jobs)
    assert sorted(row.position for row in wired.outbox()) == list(range(1, len(jobs) + 1))


def test_starting_a_recorded_job_twice_is_starting_it_once(wired: Store, tenant: str) -> None:
    job_id = _recorded(wired, tenant)
    for _ in range(2):
        start.start_recorded(job_id)
    assert wired.job(job_id).ends == 1


def test_a_running_worker_finds_what_a_service_recorded_in_its_own_transaction(
    stack: Stack, tenant: str
) -> None:
    ids = new_ids(3)
    stack.store.tag(tenant, "legacy", tables=ids)
    with configured(database_url=stack.store.url):
        job_id = driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
    eventually(lambda: stack.store.job(job_id).status == "succeeded")
    assert stack.store.links(tenant) == set()
    eventually(lambda: len(stack.events(str(job_id))) == 1)


def test_an_event_published_again_has_the_same_id(
    wired: Store, tenant: str, redis_url: str
) -> None:
    job_id = _recorded(wired, tenant)
    driving.recovered()
    with database.transaction() as connection:
        connection.execute(update(outbox).values(published_at=None))
    recover.run()
    with redis.Redis.from_url(redis_url) as client:
        entries = [fields[b"data"] for _, fields in client.xrange(STREAM)]
    assert len(entries) == 2
    assert entries[0] == entries[1] == wired.outbox(job_id)[0].event.encode()
