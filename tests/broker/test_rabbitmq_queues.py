"""RabbitMQ: a queue is taken as it is, whatever its type; a message that none takes is told."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
from celery import Celery

from tagsweep import TagSweep
from tagsweep.worker.broker.amqp.transport import AHEAD, Link, Unrouted
from tagsweep.worker.database import schema
from tagsweep.worker.errors import BrokerUnavailable
from tests.servers import NamedRabbitMQ, Postgres, RabbitMQ
from tests.servers.processes import wait_until
from tests.support.fixtures import configured
from tests.support.gateway import serving
from tests.support.stack import (
    ROOT,
    ServerStack,
    close,
    eventually,
    send,
)
from tests.support.stores import new_ids, new_tenant
from tests.support.wire import PARTS, QUEUE, SWEEPS

IDS = new_ids(3)
AWAY_S = 6
OURS = (QUEUE, SWEEPS, PARTS)
MakeStack = Callable[[str], ServerStack]


@pytest.fixture
def server(rabbitmq_server: RabbitMQ | NamedRabbitMQ) -> RabbitMQ:
    """The session's own RabbitMQ."""
    if isinstance(rabbitmq_server, NamedRabbitMQ):
        pytest.skip("not installed: RabbitMQ is not; a named one cannot be asked for vhosts")
    return rabbitmq_server


@pytest.fixture
def make_stack(
    postgres_server: Postgres, postgres_template: str, tmp_path: Path
) -> Iterator[MakeStack]:
    """Make a stack on a virtual host; its worker is still to be started."""
    made: list[ServerStack] = []

    def make(url: str) -> ServerStack:
        database_url = postgres_server.create_database(postgres_template)
        made.append(ServerStack("amqp", tmp_path, database_url, url))
        return made[-1]

    yield make
    for stack in made:
        stack.close()
        postgres_server.drop_database(str(stack.settings["database_url"]))


def _declare(url: str, **arguments: Any) -> None:
    with kombu.Connection(url) as link:
        channel: Any = link.channel()
        for name in OURS:
            channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)


def _queues(server: RabbitMQ, url: str) -> dict[str, str]:
    """Return the type of each queue of a virtual host."""
    vhost = url.rpartition("/")[2]
    told = server.control("list_queues", "--quiet", "-p", vhost, "name", "type")
    return dict(line.split("\t") for line in told.splitlines()[1:])


def _detaches(stack: ServerStack, app: Celery | None = None) -> Any:
    """Send a job for which there is something to do."""
    tenant = new_tenant()
    stack.store.tag(tenant, "t", tables=IDS)
    body = {"tenant": tenant, "names": ["t"], "tables": IDS}
    return send(app or stack._app, "tags.detach", body)


def _done(*pending: Any) -> bool:
    return all(one.get(timeout=20)["counts"]["removed"] == len(IDS) for one in pending)


def test_quorum_queues_by_the_default_of_the_virtual_host(
    make_stack: MakeStack, server: RabbitMQ
) -> None:
    url = server.create_vhost("quorum")
    stack = make_stack(url)
    before = _detaches(stack)
    stack.start_worker(concurrency=2).wait_until_ready()
    sender = TagSweep(broker_url=url)
    tenant = new_tenant()
    stack.store.tag(tenant, "t", tables=IDS)
    assert _done(before, _detaches(stack))
    handle = sender.detach(tenant=tenant, names=["t"], tables=IDS)
    assert handle.result(timeout=20)["counts"]["removed"] == len(IDS)
    close(sender._app, connections=True)
    found = _queues(server, url)
    assert {found[name] for name in OURS} == {"quorum"}
    assert not [name for name in found if "delayed" in name]


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-queue-type": "quorum"},
        {"x-queue-type": "quorum", "x-delivery-limit": 20},
        {"x-max-priority": 5, "x-queue-mode": "lazy"},
        {"x-message-ttl": 3_600_000},
    ],
    ids=" ".join,
)
def test_a_queue_that_somebody_has_declared_is_taken_as_it_is(
    make_stack: MakeStack, server: RabbitMQ, arguments: dict[str, Any]
) -> None:
    url = server.create_vhost()
    _declare(url, **arguments)
    stack = make_stack(url)
    tenant = new_tenant()
    stack.store.tag(tenant, "t", tables=IDS)
    sender = TagSweep(broker_url=url)
    handle = sender.detach(tenant=tenant, names=["t"], tables=IDS)
    stack.start_worker().wait_until_ready()
    assert handle.result(timeout=20)["counts"]["removed"] == len(IDS)
    close(sender._app, connections=True)
    assert {_queues(server, url)[name] for name in OURS} == {
        arguments.get("x-queue-type", "classic")
    }


def test_a_service_that_makes_quorum_queues_of_what_is_missing_sends_first(
    make_stack: MakeStack, server: RabbitMQ
) -> None:
    url = server.create_vhost()
    stack = make_stack(url)
    app = Celery("quorum", broker=url, backend="rpc://")
    app.conf.task_create_missing_queue_type = "quorum"
    before = _detaches(stack, app)
    stack.start_worker().wait_until_ready()
    assert _done(before, _detaches(stack, app))
    close(app, connections=True)
    found = _queues(server, url)
    assert found[QUEUE] == "quorum"
    assert not [name for name in found if "delayed" in name]


class Limited:
    """A stack of quorum queues with a delivery limit, whose store may be killed."""

    def __init__(self, store: Postgres, server: RabbitMQ, folder: Path) -> None:
        database_url = store.create_database()
        with configured(database_url=database_url):
            schema.upgrade()
        self.server, url = server, server.create_vhost("quorum")
        self.vhost = url.rpartition("/")[2]
        self.stack = ServerStack("limit", folder, database_url, url)

    def limit(self, **policy: object) -> None:
        """Set the one policy of all queues."""
        order = ["set_policy", "-p", self.vhost, "limit", ".*", json.dumps(policy)]
        self.server.control(*order, "--apply-to", "queues")

    def in_hand(self) -> int:
        """Return how many messages of the queue of jobs workers have in hand."""
        what = ("name", "messages_unacknowledged")
        told = self.server.control("list_queues", "--quiet", "-p", self.vhost, *what)
        return int(dict(line.split("\t") for line in told.splitlines()[1:])[QUEUE])

    def send_to_none(self, store: Postgres, jobs: int = 6) -> list[Any]:
        """Kill the store, and send jobs."""
        tenant = new_tenant()
        for number in range(jobs):
            self.stack.store.tag(tenant, f"t{number}", tables=IDS)
        store.kill()
        bodies = [{"tenant": tenant, "names": [f"t{n}"], "tables": IDS} for n in range(jobs)]
        return [send(self.stack._app, "tags.detach", body) for body in bodies]


@pytest.fixture
def limited(own_postgres: Postgres, server: RabbitMQ, tmp_path: Path) -> Iterator[Limited]:
    """One whose worker is still to be started."""
    made = Limited(own_postgres, server, tmp_path)
    yield made
    made.stack.close()


def test_a_store_that_is_away_for_longer_than_a_delivery_limit_loses_no_message(
    own_postgres: Postgres, limited: Limited
) -> None:
    limited.limit(**{"delivery-limit": 2})
    limited.stack.start_worker(concurrency=2).wait_until_ready()
    pending = limited.send_to_none(own_postgres)
    time.sleep(AWAY_S)  # the fault itself: a try each 0.2 s at first
    own_postgres.start()
    assert _done(*pending)


def test_where_the_queue_takes_no_copy_either_a_message_waits_in_hand(
    own_postgres: Postgres, limited: Limited
) -> None:
    worker = limited.stack.start_worker(concurrency=2)
    worker.wait_until_ready()
    in_hand = 2 + AHEAD  # one for each process, and some more; the others are anybody's
    pending = limited.send_to_none(own_postgres, in_hand + 4)  # for what waits, it is full
    limited.limit(**{"delivery-limit": 2, "max-length": 0, "overflow": "reject-publish"})
    time.sleep(AWAY_S)  # the fault itself
    assert "cannot be sent again" in worker.log
    assert limited.in_hand() == in_hand
    limited.limit(**{"delivery-limit": 2})
    own_postgres.start()
    assert _done(*pending)


def test_workers_that_end_with_messages_in_hand_lose_none(
    own_postgres: Postgres, limited: Limited
) -> None:
    limited.limit(**{"delivery-limit": 20})
    stack = limited.stack
    for _ in range(5):
        stack.start_worker(concurrency=2)
    stack.wait()
    pending = limited.send_to_none(own_postgres)
    for worker in stack.workers:
        time.sleep(0.5)  # so that it has some of them in hand, which go round
        worker.process.terminate()
    assert wait_until(lambda: all(worker.ended for worker in stack.workers), seconds=30)
    own_postgres.start()
    stack.start_worker(concurrency=2).wait_until_ready()
    assert _done(*pending)


def test_an_idle_worker_waits_for_messages_instead_of_asking(
    make_stack: MakeStack, server: RabbitMQ
) -> None:
    url = server.create_vhost()
    stack = make_stack(url)
    stack.start_worker(concurrency=2).wait_until_ready()
    assert _done(_detaches(stack))
    # all of it is Celery's heartbeat event, one in two seconds: a look of any of its processes at
    # a queue each second would be twice as much as is allowed here
    eventually(lambda: _packets_a_second(server, url, seconds=4) <= 1)


def _packets_a_second(server: RabbitMQ, url: str, *, seconds: float) -> float:
    """Return how much the clients of a virtual host send in a while, whatever they ask for."""
    vhost = url.rpartition("/")[2]

    def sent() -> int:
        told = server.control("list_connections", "--quiet", "vhost", "recv_cnt")
        rows = [line.split("\t") for line in told.splitlines()]
        return sum(int(count) for of, count in rows if of == vhost)

    before, start = sent(), time.monotonic()
    time.sleep(seconds)
    return (sent() - before) / (time.monotonic() - start)


def test_an_exchange_of_the_same_name_may_be_of_any_type(
    make_stack: MakeStack, server: RabbitMQ
) -> None:
    url = server.create_vhost()
    with kombu.Connection(url) as link:
        kombu.Exchange(QUEUE, type="topic", durable=False, channel=link.channel()).declare()
    stack = make_stack(url)
    stack.start_worker().wait_until_ready()
    with kombu.Connection(url) as link:  # bound to what is there
        told: Any = kombu.Queue(QUEUE, channel=link.channel())
        told.queue_declare(passive=True)
    sender = TagSweep(broker_url=url)
    tenant = new_tenant()
    stack.store.tag(tenant, "t", tables=IDS)
    handle = sender.detach(tenant=tenant, names=["t"], tables=IDS)
    assert handle.result(timeout=20)["counts"]["removed"] == len(IDS)
    close(sender._app, connections=True)


def test_a_message_that_no_queue_takes_is_told_and_does_not_confirm_the_next_one(
    amqp_url: str,
) -> None:
    with Link(amqp_url, transport_options={"confirm_publish": True}) as link:
        channel: Any = link.channel()
        channel.queue_declare("there", auto_delete=False)
        producer = kombu.Producer(channel)
        for _ in range(3):
            with pytest.raises(Unrouted, match=r"NO_ROUTE.*nowhere"):
                producer.publish({}, routing_key="nowhere", mandatory=True)
            producer.publish({}, routing_key="there", mandatory=True)
        assert channel.queue_declare("there", passive=True).message_count == 3


def test_a_queue_that_was_deleted_is_declared_anew_by_who_sends(amqp_url: str) -> None:
    sender = TagSweep(broker_url=amqp_url)
    with kombu.Connection(amqp_url) as link:
        channel: Any = link.channel()
        for _ in range(2):
            sender.detach(tenant="t", names=["n"], tables=IDS)
            assert channel.queue_delete(QUEUE) == 1
    close(sender._app, connections=True)


def test_a_full_queue_that_refuses_messages_is_told_to_who_sends(amqp_url: str) -> None:
    _declare(amqp_url, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    sender = TagSweep(broker_url=amqp_url)
    sender.detach(tenant="t", names=["n"], tables=IDS)
    with pytest.raises(BrokerUnavailable, match="the queue is full"):
        sender.detach(tenant="t", names=["n"], tables=IDS)
    close(sender._app, connections=True)


def test_the_permissions_that_the_documentation_names_are_enough(
    make_stack: MakeStack, server: RabbitMQ
) -> None:
    url = server.create_vhost("quorum")
    vhost = url.rpartition("/")[2]
    urls = {}
    for who, rights in _documented_permissions().items():
        user = f"{who}-{vhost}"
        server.control("add_user", user, "secret")
        server.control("set_permissions", "-p", vhost, user, *rights)
        urls[who] = url.replace("guest:guest", f"{user}:secret")
    stack = make_stack(url)
    stack.start_worker(broker_url=urls["worker"]).wait_until_ready()
    tenant = new_tenant()
    stack.store.tag(tenant, "t", tables=IDS)
    sender = TagSweep(broker_url=urls["TagSweep"])
    handle = sender.detach(tenant=tenant, names=["t"], tables=IDS)
    assert handle.result(timeout=20)["counts"]["removed"] == len(IDS)
    close(sender._app, connections=True)
    with serving(stack, broker_url=urls["gateway"]) as gateway, gateway.client(tenant) as client:
        body = {"names": ["t"], "tables": IDS}
        assert client.post("/api/v1/tags/detach/", json=body).status_code == 200


def _documented_permissions() -> dict[str, list[str]]:
    page = (ROOT / "docs" / "rabbitmq.md").read_text().partition("## Permissions")[2]
    rows = [re.split(r"(?<!\\)\|", line) for line in page.splitlines() if "`^" in line]
    return {
        row[1].strip(" `"): [one.strip(" `").replace("\\|", "|") for one in row[2:5]]
        for row in rows
    }
