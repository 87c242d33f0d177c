"""What RabbitMQ does to a worker's connection: the worker lives on, and no job is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import Postgres, RabbitMQ
from tests.support.locks import held_link, wait_for_waiting
from tests.support.stack import (
    ServerStack,
    Worker,
    eventually,
    producing,
)
from tests.support.stores import counts, new_ids, new_tenant

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

#: how long a message may be in hand; looked at as often as that
TIMEOUT_S = 2
TIMEOUT = (
    f"application:set_env(rabbit, consumer_timeout, {TIMEOUT_S * 1_000}), "
    "application:set_env(rabbit, channel_tick_interval, 500)."
)


@pytest.fixture
def stack(
    postgres_server: Postgres, postgres_template: str, own_rabbitmq: RabbitMQ, tmp_path: Path
) -> Iterator[ServerStack]:
    """A store, and a RabbitMQ that the test may break; no worker yet."""
    database_url = postgres_server.create_database(postgres_template)
    made = ServerStack("amqp", tmp_path, database_url, own_rabbitmq.create_vhost())
    try:
        yield made
    finally:
        made.close()
        postgres_server.drop_database(database_url)


def _vhost(stack: ServerStack) -> str:
    return urlsplit(stack.broker_url).path.removeprefix("/")


def _permit(server: RabbitMQ, name: str) -> None:
    server.control("add_vhost", name)
    server.control("set_permissions", "--vhost", name, "guest", ".*", ".*", ".*")


def test_a_virtual_host_that_is_deleted_and_made_again(
    stack: ServerStack, own_rabbitmq: RabbitMQ
) -> None:
    worker = stack.start_worker()
    stack.wait()
    own_rabbitmq.control("delete_vhost", _vhost(stack))
    eventually(lambda: "refuses: " in worker.log or "does not answer" in worker.log)
    eventually(lambda: "(530)" in worker.log or "403" in worker.log)
    assert not worker.ended
    _permit(own_rabbitmq, _vhost(stack))
    with producing(stack) as sender:
        handle = sender.detach(tenant=new_tenant(), names=["n"], tables=new_ids(1))
    eventually(lambda: (job := stack.store.job(handle.id)) and job.status == "succeeded")
    assert not worker.ended


def test_a_worker_waits_for_a_virtual_host_that_is_not_there_yet(
    stack: ServerStack, own_rabbitmq: RabbitMQ
) -> None:
    own_rabbitmq.control("delete_vhost", _vhost(stack))
    worker: Worker = stack.start_worker()
    eventually(lambda: "vhost" in worker.log)
    assert not worker.ended
    _permit(own_rabbitmq, _vhost(stack))
    stack.wait()
    assert stack.detach(new_tenant(), ["n"], tables=new_ids(1))["status"] == "succeeded"


def test_a_message_that_is_longer_in_hand_than_the_broker_likes(
    stack: ServerStack, own_rabbitmq: RabbitMQ
) -> None:
    own_rabbitmq.control("eval", TIMEOUT)
    worker = stack.start_worker(concurrency=2)
    stack.wait()
    tenant, (held,) = new_tenant(), new_ids(1)
    stack.store.tag(tenant, "legacy", tables=[held])
    with held_link(stack.store, held):
        body = {"tenant": tenant, "names": ["legacy"], "tables": [held]}
        pending = stack.send("tags.detach", body)
        wait_for_waiting(stack.store)
        eventually(lambda: "(406)" in worker.log)
    done = pending.get(timeout=30)
    assert done["counts"] == counts(total=1, removed=1)
    assert len(stack.store.outbox(pending.id)) == 1
    assert not worker.ended
