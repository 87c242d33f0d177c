"""The relay: at least once, the same event each time, whatever server is down meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import fakeredis
import pytest
import redis

from tagsweep.worker import database
from tagsweep.worker.errors import BrokerUnavailable
from tagsweep.worker.events import outbox, reading, redis_stream, relay
from tagsweep.worker.jobs import dispatch, queries
from tests.servers import RabbitMQ, Redis
from tests.servers.server import Server
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.listeners import AmqpEvents
from tests.support.stores import Store
from tests.support.wire import STREAM

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def _ended(tenant: str) -> UUID:
    job_id = driving.record(driving.detach_job(tenant, []))
    driving.split(job_id, at_once=True)
    return job_id


def _feed() -> list[str]:
    with database.reading() as connection:
        return [json.loads(row.event)["subject"] for row in reading.after(connection, 0, 100)]


@pytest.fixture
def down(own_redis: Redis, store: Store) -> Iterator[Redis]:
    """A Redis that is down, which this process's settings name."""
    with configured(database_url=store.url, broker_url=own_redis.url, connect_timeout_s=2):
        own_redis.stop()
        yield own_redis


def test_while_the_broker_is_down_the_feed_has_the_event(
    down: Redis, store: Store, tenant: str
) -> None:
    job_id = _ended(tenant)
    assert relay.deliver() == 1
    (row,) = store.outbox(job_id)
    assert row.published_at is None
    assert row.answered_at is None
    assert _feed() == [str(job_id)]
    assert not down.is_running()


def test_once_the_broker_is_back_the_event_is_published(
    down: Redis, store: Store, tenant: str
) -> None:
    job_id = _ended(tenant)
    relay.deliver()
    (before,) = store.outbox(job_id)
    down.start()
    assert relay.deliver() == 1
    assert relay.deliver() == 0
    (after,) = store.outbox(job_id)
    assert after.position == before.position
    assert after.published_at is not None
    assert after.answered_at is not None
    with redis.Redis.from_url(down.url) as client:
        ((_, fields),) = client.xrange(STREAM)
        stored: Any = client.get(f"celery-task-meta-{job_id}")
    assert fields == {b"data": after.event.encode()}
    assert json.loads(stored)["result"] == json.loads(after.event)["data"]


def test_who_asks_once_more_while_only_the_event_waits_is_answered(
    store: Store, redis_url: str, tenant: str
) -> None:
    with (
        configured(database_url=store.url, broker_url=redis_url),
        redis.Redis.from_url(redis_url) as client,
    ):
        client.set(STREAM, "no stream")
        job_id = _ended(tenant)
        relay.deliver()
        (row,) = store.outbox(job_id)
        assert (row.published_at is None, row.answered_at is None) == (True, False)
        with database.transaction() as connection:
            outbox.remember_replies(connection, [(job_id, "", job_id.hex)])
        with database.reading() as connection:
            job = queries.get(connection, job_id)
        dispatch.answer_again(job)
        stored: Any = client.get(f"celery-task-meta-{job_id.hex}")
    assert json.loads(stored)["result"] == json.loads(row.event)["data"]


@pytest.mark.chaos
def test_while_rabbitmq_is_down_events_wait_and_then_go_out(
    postgres_store: Store, own_rabbitmq: RabbitMQ, tenant: str
) -> None:
    url = own_rabbitmq.create_vhost()
    events = {"database_url": postgres_store.url, "events_url": url, "connect_timeout_s": 2}
    with configured(**events):
        _check_outage(own_rabbitmq, postgres_store, tenant, url)


def _check_outage(server: Server, store: Store, tenant: str, url: str) -> None:
    first = _ended(tenant)
    relay.deliver()
    assert store.outbox(first)[0].published_at is not None
    server.kill()
    second = _ended(tenant)
    relay.deliver()
    assert store.outbox(second)[0].published_at is None
    server.start()
    reader = AmqpEvents(url)
    assert relay.deliver() == 1
    assert [event["id"] for event in reader.all()] == [f"{second}.1"]
    assert _feed() == [str(first), str(second)]
    reader.close()


def test_an_event_is_appended_as_one_field(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        configured(events_maxlen=1_000),
        fakeredis.FakeRedis() as client,
        monkeypatch.context() as patch,
    ):
        patch.setattr(redis_stream, "_client", lambda _: client)
        redis_stream.publish("redis://h", [f'{{"id": "{number}"}}' for number in range(3)])
        entries = [fields for _, fields in client.xrange(STREAM)]
    assert entries == [{b"data": f'{{"id": "{number}"}}'.encode()} for number in range(3)]


def test_the_stream_is_kept_to_about_its_length(redis_url: str) -> None:
    with configured(broker_url=redis_url, events_maxlen=100):
        for _ in range(400):
            redis_stream.publish(redis_url, ["{}"])
    with redis.Redis.from_url(redis_url) as client:
        assert 100 <= int(client.xlen(STREAM)) <= 250


def test_a_redis_that_refuses_is_a_broker_that_does_not_answer(
    redis_url: str,
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(STREAM, "no stream")
    with configured(broker_url=redis_url), pytest.raises(BrokerUnavailable, match="WRONGTYPE"):
        redis_stream.publish(redis_url, ["{}"])
