"""The refusals themselves: while one is on, somebody is refused; after it nobody is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import psycopg
import pytest
import redis
from amqp.exceptions import MessageNacked
from sqlalchemy.exc import DBAPIError

from tagsweep.worker.database import schema
from tagsweep.worker.errors import TagsweepError
from tests.servers import Postgres, RabbitMQ, Redis
from tests.servers.processes import wait_until
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stores import Store, new_ids, new_tenant
from tests.weather import refusals_postgres, refusals_rabbitmq, refusals_redis
from tests.weather.database import Database
from tests.weather.refusals import Refusal, chosen
from tests.weather.refusals_rabbitmq import VirtualHost

SOON_S = 15


def _check(refused: Callable[[], bool], refusal: Refusal[object], place: object) -> None:
    assert not refused()
    with refusal.switch(place):
        assert wait_until(refused, seconds=SOON_S)
    assert wait_until(lambda: not refused(), seconds=SOON_S)


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """A store on a server of its own, and its plain role."""
    with Postgres(settings={"max_connections": "40"}) as server:
        owner_url = server.create_database()
        with configured(database_url=owner_url):
            schema.upgrade()
        found = Database(server, owner_url)
        found.prepare()
        yield found


@pytest.mark.parametrize("refusal", chosen(refusals_postgres.REFUSALS))
def test_postgresql_refuses_and_then_no_longer(
    database: Database, refusal: Refusal[object]
) -> None:
    tenant, ids = new_tenant(), new_ids(10)
    store = Store(database.owner_url)
    store.tag(tenant, "t", tables=ids)
    store.workspace(tenant, "w", {"env": "dev"})
    store.close()

    def refused() -> bool:
        try:
            with configured(database_url=database.url, lock_timeout_s=1, statement_timeout_s=1):
                _work(database.url, tenant, ids)
        except (AssertionError, TagsweepError, DBAPIError, psycopg.Error):
            return True
        return False

    _check(refused, refusal, database)


def _work(url: str, tenant: str, ids: list[str]) -> None:
    """Take a tag off and put it on again; raise where any of it is refused."""
    jobs = [
        driving.detach_job(tenant, ["t"], tables=ids),
        driving.attach_job(tenant, ["t"], tables=ids),
        driving.delete_job(tenant, ["w"], "env"),
    ]
    for job in jobs:
        done = driving.run_recorded(driving.record(job))
        assert done["counts"]["failed"] == 0
        assert done["errors"] == []
    store = Store(url)
    try:
        store.workspace(tenant, "w", {"env": "dev"})
        with store.transaction() as connection:
            connection.exec_driver_sql("UPDATE outbox SET tenant = tenant")
    finally:
        store.close()


@pytest.fixture(scope="module")
def redis_place() -> Iterator[Redis]:
    """A Redis of its own, with the user that is refused."""
    with Redis(appendonly=True) as server:
        refusals_redis.prepare(server)
        yield server


@pytest.mark.parametrize("refusal", chosen(refusals_redis.REFUSALS))
def test_redis_refuses_and_then_no_longer(redis_place: Redis, refusal: Refusal[object]) -> None:
    url = refusals_redis.url_of(redis_place.create_database())

    def connect() -> redis.Redis:
        return redis.Redis.from_url(url, socket_timeout=0.5, retry=None)

    with connect() as before:
        before.ping()
        script = before.script_load("return redis.call('TIME')")

        def refused() -> bool:
            try:
                with connect() as client:
                    before.evalsha(script, 0)
                    _use(client)
            except redis.RedisError:
                with contextlib.suppress(redis.RedisError):
                    before.script_load("return redis.call('TIME')")
                return True
            return False

        _check(refused, refusal, redis_place)


def _use(client: redis.Redis) -> None:
    """Use Redis as we do; raise where any of it is refused."""
    client.set("tagsweep-a", "x")
    client.get("tagsweep-a")
    client.lpush("tagsweep-b", "x")
    client.rpop("tagsweep-b")
    client.hset("tagsweep-c", "x", "x")
    client.zadd("tagsweep-d", {"x": 1})
    client.xadd("tagsweep-e", {"x": "x"})
    client.sadd("tagsweep-f", "x")
    anything: Any = client
    with anything.pubsub() as listener:
        listener.subscribe("tagsweep-g")
        assert listener.get_message(timeout=0.5)
    client.publish("tagsweep-g", "x")


def test_redis_asks_for_a_password(redis_place: Redis) -> None:
    with (
        redis.Redis(port=redis_place.port) as client,
        refusals_redis.password_wanted(redis_place),
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    with redis.Redis(port=redis_place.port) as client:
        assert client.ping()


@pytest.fixture(scope="module")
def host() -> Iterator[VirtualHost]:
    """A virtual host on a RabbitMQ of its own."""
    with RabbitMQ() as server:
        found = VirtualHost(server, server.create_vhost())
        found.prepare()
        yield found


#: but for what happens once, and is over at once
LASTING = [one for one in refusals_rabbitmq.REFUSALS if not one.loses_messages]


@pytest.mark.parametrize("refusal", chosen(LASTING))
def test_rabbitmq_refuses_and_then_no_longer(host: VirtualHost, refusal: Refusal[object]) -> None:
    def connect() -> kombu.Connection:
        timeouts = {"confirm_publish": True, "read_timeout": 3, "write_timeout": 3}
        return kombu.Connection(host.url, connect_timeout=2, transport_options=timeouts)

    before = connect()
    before.connect()
    errors: tuple[type[BaseException], ...]
    errors = (AssertionError, MessageNacked, OSError, *_errors(before))

    def refused() -> bool:
        try:
            with connect() as connection:
                assert before.connected
                _publish(before)
                _publish(connection)
        except errors:
            before.collect()
            with contextlib.suppress(Exception):
                before.connect()
            return True
        return False

    try:
        _check(refused, refusal, host)
    finally:
        before.close()


def _errors(connection: kombu.Connection) -> tuple[type[BaseException], ...]:
    return (*connection.connection_errors, *connection.channel_errors)


def _publish(connection: kombu.Connection) -> None:
    """Send a message to a queue and take it from there; raise where any of it is refused."""
    with connection.channel() as channel:
        queue = kombu.Queue("tagsweep.test", kombu.Exchange("tagsweep.test"), "tagsweep.test")
        bound = queue(channel)
        bound.declare()
        producer = kombu.Producer(channel)
        producer.publish(
            "x", exchange="tagsweep.test", routing_key="tagsweep.test", confirm_timeout=2
        )
        message = bound.get(no_ack=True)
        assert message is not None
