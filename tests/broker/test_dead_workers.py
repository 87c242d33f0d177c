"""Redis: what a worker had in hand comes back soon after it died, and never while it lives."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kombu
import psutil
import pytest
import redis
from kombu.transport.redis import Transport
from sqlalchemy import text

from tagsweep.worker.broker import names
from tagsweep.worker.broker.redis import transport, unacknowledged
from tests.servers import Postgres, Redis
from tests.support.locks import held_table, wait_for_waiting
from tests.support.stack import ServerStack, Worker, eventually
from tests.support.stores import Store, counts, new_ids
from tests.support.taker import Taker
from tests.support.wire import PARTS, QUEUE, SWEEPS

pytestmark = pytest.mark.integration

#: far below the visibility timeout, far above the ten seconds that it takes
SOON_S = 30


class Hand(Taker):
    """A worker that keeps what it takes in its hands."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.messages: list[kombu.Message] = []

    def _take(self, body: str, message: kombu.Message) -> None:
        self.taken.append(body)
        self.messages.append(message)

    @property
    def channel(self) -> Any:
        """The channel on which it takes messages."""
        return self.consumer.channel

    def look(self) -> None:
        """Show that it lives, and look for what dead workers left behind."""
        self.channel.qos._renew_at = 0
        self.channel.qos.keep_alive()


@pytest.fixture
def hands(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hand, Hand]]:
    """Two workers on an empty Redis."""
    monkeypatch.setattr(Transport, "Channel", transport.Channel)
    with ExitStack() as stack:
        made = [Hand(redis_url) for _ in range(2)]
        for hand in made:
            stack.callback(hand.connection.close)
        yield made[0], made[1]


def _die(hand: Hand, redis_url: str) -> None:
    """Let the key expire that says that a worker lives."""
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.pttl(names.alive(hand.channel.worker)) <= unacknowledged.LIFE_S * 1000
        client.delete(names.alive(hand.channel.worker))


@pytest.mark.parametrize("queue", [QUEUE, SWEEPS, PARTS])
def test_what_a_dead_worker_had_in_hand_comes_back_as_redelivered(
    hands: tuple[Hand, Hand], redis_url: str, queue: str
) -> None:
    dead, other = hands
    dead.put(queue, "1")
    dead.take(1)
    _die(dead, redis_url)
    other.look()
    assert other.take(1) == ["1"]
    assert other.messages[0].headers["redelivered"]


def test_what_was_on_its_way_to_a_dead_worker_comes_back(
    hands: tuple[Hand, Hand], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, other = hands
    with monkeypatch.context() as patch:
        # Redis has handed it out, and the worker dies before it can note that
        patch.setattr(transport.Channel, "_hand_over", lambda *_: None)
        dead.put(QUEUE, "1")
        dead.connection.drain_events(timeout=5)
    with redis.Redis.from_url(redis_url) as client:
        assert client.hlen(names.taken()[0]) == 1
        _die(dead, redis_url)
        other.look()
        assert other.take(1) == ["1"]
        assert client.hlen(names.taken()[0]) == 0


def test_what_a_living_worker_has_in_hand_stays_there(hands: tuple[Hand, Hand]) -> None:
    busy, other = hands
    busy.put(QUEUE, "1")
    busy.take(1)
    other.look()
    other.come_to_rest()
    assert other.taken == []


@pytest.mark.parametrize("late", ["ack", "reject", "requeue"])
def test_a_paused_worker_that_goes_on_takes_nothing_out_of_other_hands(
    hands: tuple[Hand, Hand], redis_url: str, late: str
) -> None:
    paused, other = hands
    paused.put(QUEUE, "1")
    paused.take(1)
    _die(paused, redis_url)
    other.look()
    other.take(1)
    paused.look()
    getattr(paused.messages[0], late)()
    paused.come_to_rest()
    assert paused.taken == ["1"]  # no copy was put into the queue
    with redis.Redis.from_url(redis_url) as client:
        assert client.hkeys("unacked") == [str(other.messages[0].delivery_tag).encode()]
    other.messages[0].ack()
    with redis.Redis.from_url(redis_url) as client:
        assert client.hlen("unacked") == client.zcard("unacked_index") == 0


def test_what_an_older_version_holds_comes_back_by_the_visibility_timeout(
    hands: tuple[Hand, Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other = hands
    monkeypatch.setattr(old.channel, "worker", "an older version")  # its messages name no worker
    old.put(QUEUE, "1")
    old.take(1)
    other.look()
    other.come_to_rest()
    monkeypatch.setattr(other.channel, "visibility_timeout", 0)
    other.look()
    assert other.take(1) == ["1"]


@pytest.fixture
def stack(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis, tmp_path: Path
) -> Iterator[ServerStack]:
    """PostgreSQL, Redis and one worker; messages come back by visibility after a minute."""
    database_url = postgres_server.create_database(postgres_template)
    stack = ServerStack("redis", tmp_path, database_url, redis_server.create_database())
    try:
        stack.start_worker()
        stack.wait()
        yield stack
    finally:
        stack.close()
        postgres_server.drop_database(database_url)


def _signal(worker: Worker, number: int) -> None:
    """Send a signal to a worker and its children: to what runs on its machine."""
    whole = psutil.Process(worker.process.pid)
    for process in (whole, *whole.children(recursive=True)):
        process.send_signal(number)


def _cut_off(store: Store) -> None:
    """End the sessions that wait for a lock: the server notices that their machine is gone."""
    query = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with store.transaction() as connection:
        connection.execute(query)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_another_worker_does_soon_what_one_had_in_hand(
    stack: ServerStack, tenant: str, how: str
) -> None:
    ids = new_ids(4)
    stack.store.tag(tenant, "legacy", tables=ids)
    (first,) = stack.workers
    with held_table(stack.store, "job"):
        pending = stack.send("tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": ids})
        wait_for_waiting(stack.store)
        if how == "killed":
            first.kill()
        else:
            _signal(first, signal.SIGSTOP)
        _cut_off(stack.store)
    stack.start_worker().wait_until_ready()
    assert pending.get(timeout=SOON_S)["counts"] == counts(total=4, removed=4)
    if how == "paused":
        _signal(first, signal.SIGCONT)
        stack.workers[1].kill()
        later = stack.send("tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": ids})
        assert later.get(timeout=SOON_S)["counts"] == counts(total=4, absent=4)
        eventually(lambda: len(stack.events(pending.id)) >= 1)
    assert stack.store.job(pending.id).ends == 1
    assert {event["id"] for event in stack.events(pending.id)} == {f"{pending.id}.1"}
