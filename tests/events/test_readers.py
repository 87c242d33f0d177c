"""Completion events as programs read them that we did not write."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

import kombu
import redis
from cloudevents.core.bindings import rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from faststream.redis import RedisBroker, StreamSub
from pydantic import AwareDatetime, BaseModel

from tests.support.stack import ServerStack
from tests.support.stores import new_ids
from tests.support.wire import EXCHANGE, STREAM


class Counts(BaseModel):
    """What another service takes of the counts."""

    total: int
    removed: int


class Data(BaseModel):
    """What another service takes of the data."""

    job_id: UUID
    tenant: str
    status: str
    counts: Counts


class Event(BaseModel):
    """What another service takes of an event."""

    id: str
    type: str
    time: AwareDatetime
    data: Data


def _detach(stack: ServerStack, tenant: str) -> dict[str, Any]:
    ids = new_ids(3)
    stack.store.tag(tenant, "legacy", tables=ids[:2])
    return stack.detach(tenant, ["legacy"], tables=ids)


async def _read(url: str, job_id: str) -> Event:
    """Return the job's event as a FastStream handler is given it."""
    received: asyncio.Queue[Event] = asyncio.Queue()
    broker = RedisBroker(url, logger=logging.getLogger(__name__))

    @broker.subscriber(stream=StreamSub(STREAM, last_id="0"))
    async def take(data: Event) -> None:
        await received.put(data)

    async with broker:
        await broker.start()
        while True:
            event = await asyncio.wait_for(received.get(), timeout=10)
            if str(event.data.job_id) == job_id:
                return event


def test_faststream_reads_the_field_data_into_a_model(
    redis_stack: ServerStack, tenant: str
) -> None:
    done = _detach(redis_stack, tenant)
    event = asyncio.run(_read(redis_stack.broker_url, done["job_id"]))
    assert event.id == f"{done['job_id']}.1"
    assert event.type == "tagsweep.detach.completed"
    assert event.data.tenant == tenant
    assert event.data.counts == Counts(total=3, removed=2)


def _check_attributes(event: CloudEvent, done: dict[str, Any]) -> None:
    assert event.get_id() == f"{done['job_id']}.1"
    assert event.get_source() == f"/tagsweep/{done['tenant']}"
    assert event.get_type() == "tagsweep.detach.completed"
    assert event.get_subject() == done["job_id"]
    time = event.get_time()
    assert time is not None
    assert time.isoformat(timespec="microseconds") == done["finished_at"]
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == done


def test_the_cloudevents_sdk_accepts_an_entry_of_the_stream(
    redis_stack: ServerStack, tenant: str
) -> None:
    done = _detach(redis_stack, tenant)
    with redis.Redis.from_url(redis_stack.broker_url) as client:
        entries: Any = client.xrevrange(STREAM, count=1)
    ((_, fields),) = entries
    assert list(fields) == [b"data"]
    event = JSONFormat().read(CloudEvent, fields[b"data"])
    assert isinstance(event, CloudEvent)
    _check_attributes(event, done)


def _bound(connection: kombu.Connection, key: str) -> kombu.Queue:
    exchange = kombu.Exchange(EXCHANGE, type="topic", durable=True)
    queue = kombu.Queue(f"reader-{key}", exchange, key, exclusive=True)
    bound: kombu.Queue = queue(connection.default_channel)
    bound.declare()
    return bound


def test_the_cloudevents_sdk_accepts_an_amqp_message_as_it_comes(
    amqp_stack: ServerStack, tenant: str
) -> None:
    with kombu.Connection(amqp_stack.broker_url) as connection:
        queue = _bound(connection, "tagsweep.detach.completed")
        done = _detach(amqp_stack, tenant)
        message: Any = queue.get(no_ack=True)
    body = message.body if isinstance(message.body, bytes) else message.body.encode()
    taken = rabbitmq.RabbitMQMessage({}, message.content_type, body)
    event = rabbitmq.from_rabbitmq_event(taken)
    assert isinstance(event, CloudEvent)
    _check_attributes(event, done)


def test_the_amqp_event_is_persistent_and_routed_by_its_type(
    amqp_stack: ServerStack, tenant: str
) -> None:
    with kombu.Connection(amqp_stack.broker_url) as connection:
        detaches = _bound(connection, "tagsweep.detach.*")
        deletes = _bound(connection, "tagsweep.delete.*")
        _detach(amqp_stack, tenant)
        message: Any = detaches.get(no_ack=True)
        assert deletes.get(no_ack=True) is None
    assert message.delivery_info["exchange"] == EXCHANGE
    assert message.delivery_info["routing_key"] == "tagsweep.detach.completed"
    assert message.properties["delivery_mode"] == 2
    assert message.content_type == "application/cloudevents+json"
