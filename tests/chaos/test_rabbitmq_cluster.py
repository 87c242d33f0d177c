"""Three RabbitMQ nodes of which one is killed: what was told as sent is done."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import kombu
import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from tagsweep import TagSweep
from tagsweep.worker.errors import BrokerUnavailable
from tests.chaos import scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import Errand, World
from tests.chaos.stored import open_rows
from tests.servers import RabbitCluster, ServerMissing
from tests.servers.processes import wait_until
from tests.servers.rabbitmq_cluster import Node
from tests.support.gateway import serving
from tests.support.stack import (
    ServerStack,
    close,
    drop_connections,
    eventually,
)
from tests.support.wire import EXCHANGE, QUEUE

JOBS = scale.pick(short=18, long=200)
#: how long a sender may need to find another node
PATIENCE_S = 40

Send = Callable[[Errand], object]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RabbitCluster]:
    """Three nodes; each test leaves them all running."""
    try:
        with RabbitCluster() as nodes:
            yield nodes
    except ServerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"{missing}, and CI runs every test", pytrace=False)
        pytest.skip(f"not installed: {missing}")


@pytest.fixture(autouse=True)
def _whole(cluster: RabbitCluster) -> Iterator[None]:
    """Start what a test that failed has left killed."""
    yield
    for node in cluster.nodes:
        node.start()
    assert wait_until(cluster.whole, seconds=60)


def _start(stack: ServerStack) -> None:
    for _ in range(2):
        stack.start_worker(concurrency=2)
    stack.wait()


def _send(errand: Errand, send: Send) -> None:
    """Send a job till it is told as sent, as a service does; the same id is the same job."""
    refused: list[str] = []

    def sent() -> bool:
        try:
            send(errand)
        except (BrokerUnavailable, OperationalError, OSError) as error:
            refused.append(f"{error!r}")
            return False
        return True

    assert wait_until(sent, seconds=PATIENCE_S), refused


def _by_ours(sender: TagSweep) -> Send:
    def send(errand: Errand) -> None:
        body = {**errand.body, "job_id": errand.id}
        getattr(sender, errand.kind)(**body)

    return send


def _by_celery(app: Celery) -> Send:
    def send(errand: Errand) -> None:
        options: Any = {"task_id": errand.id, "ignore_result": True}
        app.send_task(f"tags.{errand.kind}", [errand.body], queue=QUEUE, **options)

    return send


def _by_gateway(world: World, client: httpx.Client) -> Callable[[], None]:
    def send() -> None:
        errand = world.detach(world.tenants[0], 20)
        body = {name: value for name, value in errand.body.items() if name != "tenant"}
        answer = client.post("/api/v1/jobs/", json={"kind": "detach", **body})
        assert answer.status_code == 202, answer.text
        world.errands[-1] = replace(errand, id=answer.json()["id"])

    return send


def _victims(cluster: RabbitCluster, urls: str) -> dict[str, Node]:
    leader = cluster.home(urls, QUEUE)
    follower = next(node for node in reversed(cluster.nodes) if node is not leader)
    # workers and senders are connected to the first one that answers
    return {"leader": leader, "follower": follower, "their own": cluster.nodes[0]}


def _listen(urls: str) -> kombu.Queue:
    """Declare a durable queue of the events, as a service has it that must miss none."""
    with kombu.Connection(urls) as link:
        exchange = kombu.Exchange(EXCHANGE, type="topic", durable=True)
        queue = kombu.Queue("listener", exchange, "#")
        queue(link.default_channel).declare()
    return queue


def _heard(urls: str, queue: kombu.Queue) -> list[dict[str, Any]]:
    with kombu.Connection(urls) as link:
        bound = queue(link.default_channel)
        return [json.loads(str(one.body)) for one in iter(lambda: bound.get(no_ack=True), None)]


def _check(world: World, stack: ServerStack, events: list[dict[str, Any]] | None = None) -> None:
    """Assert that each job has one end and one event, and that no worker has ended."""
    eventually(lambda: open_rows(stack.store) == {})
    world.check(events)
    assert not any(worker.ended for worker in stack.workers)


@pytest.mark.parametrize("which", ["leader", "follower", "their own"] if scale.LONG else ["leader"])
def test_a_node_of_a_cluster_with_quorum_queues_is_killed(
    cluster: RabbitCluster, make_stack: MakeStack, which: str
) -> None:
    urls = cluster.create_vhost()
    listener = _listen(urls)
    stack = make_stack(urls, chunk_size=500)
    world = World(stack.store, scale.draw(f"cluster {which}"))
    sender = TagSweep(broker_url=urls)
    app = Celery("plain", broker=urls)
    app.conf.broker_transport_options = {"confirm_publish": True}
    ways = itertools.cycle([_by_celery(app), _by_ours(sender)])
    _start(stack)
    with serving(stack) as gateway, gateway.client(world.tenants[0]) as client:
        by_gateway = _by_gateway(world, client)
        victim = _victims(cluster, urls)[which]
        for number in range(JOBS):
            _send(world.errand(world.draw.choice([1, 300, 2_000])), next(ways))
            if number % 4 == 0:
                by_gateway()
            if number == JOBS // 3:
                victim.kill()
        world.wait(seconds=60)
    victim.start()
    eventually(cluster.whole, 60)
    close(sender._app, connections=True)
    drop_connections(app)
    _check(world, stack, _heard(urls, listener))


def test_classic_queues_whose_node_is_killed_refuse_messages_and_lose_none(
    cluster: RabbitCluster, make_stack: MakeStack
) -> None:
    urls = cluster.create_vhost("classic")
    stack = make_stack(urls, chunk_size=500)
    world = World(stack.store, scale.draw("classic"))
    _start(stack)
    home = cluster.home(urls, QUEUE)
    others = ";".join(
        node.url + urls.rpartition("/")[2] for node in cluster.nodes if node is not home
    )
    sender = TagSweep(broker_url=others)
    send = _by_ours(sender)
    in_vain, refused = World(stack.store, scale.draw("in vain")), {}
    for _ in range(10):
        send(world.detach(world.tenants[0], 300))
    home.kill()
    until = time.monotonic() + scale.pick(short=3, long=20)
    while time.monotonic() < until:
        errand = in_vain.detach(in_vain.tenants[0], 1)
        with pytest.raises(BrokerUnavailable) as refusal:
            send(errand)
        refused[errand.id] = str(refusal.value)
    # what was on its way when the node died is told in other words, and may be done
    clear = [
        job_id
        for job_id, words in refused.items()
        if home.name in words or "No queue receives the message" in words
    ]
    assert clear, refused
    home.start()
    eventually(cluster.whole, 60)
    _send(world.detach(world.tenants[0], 5), send)
    world.wait(seconds=60)
    close(sender._app, connections=True)
    eventually(lambda: open_rows(stack.store) == {})
    world.check_stores()
    assert not any(worker.ended for worker in stack.workers)
    assert not [job_id for job_id in clear if stack.store.job(job_id)]
