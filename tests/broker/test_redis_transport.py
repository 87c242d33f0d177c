"""Redis: in which order messages are taken, what ends a wait, and what a lost broker costs."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from queue import Empty
from typing import Any

import kombu
import pytest
import redis
from kombu.asynchronous import Hub, set_event_loop
from kombu.transport.redis import Transport

from tagsweep.worker.broker.redis import transport
from tests.servers import Redis
from tests.support.stack import eventually
from tests.support.taker import Taker
from tests.support.wire import PARTS, QUEUE, SWEEPS

pytestmark = pytest.mark.integration


def _looks(url: str) -> int:
    """Return how many looks into queues a Redis has counted, those of scripts too."""
    with redis.Redis.from_url(url) as client:
        counted = client.info("commandstats")
    looks = (counted.get(f"cmdstat_{name}") for name in ("lindex", "exists", "brpop", "blmove"))
    return sum(look["calls"] for look in looks if look)


@pytest.fixture
def taker(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Taker]:
    """What takes messages from an empty Redis."""
    monkeypatch.setattr(Transport, "Channel", transport.Channel)
    made = Taker(redis_url)
    yield made
    made.connection.close()


def test_jobs_come_first_and_the_others_have_their_turn(taker: Taker) -> None:
    for queue in (SWEEPS, PARTS):
        for _ in range(2):
            taker.put(queue, queue)
    for _ in range(2 * transport.MOST_IN_A_ROW + 5):
        taker.put(QUEUE, QUEUE)
    taken = taker.take(2 * transport.MOST_IN_A_ROW + 9)
    rows = "".join("j" if one == QUEUE else "o" for one in taken).split("o")
    # twenty jobs, another, twenty jobs, another; and where no job is left, all the rest
    assert [len(row) for row in rows] == [transport.MOST_IN_A_ROW] * 2 + [5, 0, 0]
    assert {taken[transport.MOST_IN_A_ROW], taken[2 * transport.MOST_IN_A_ROW + 1]} == {
        SWEEPS,
        PARTS,
    }


@pytest.mark.parametrize("priority", [0, 3, 9])
@pytest.mark.parametrize("queue", [QUEUE, SWEEPS, PARTS])
def test_an_idle_worker_is_told_of_a_message_and_does_not_ask_for_it(
    taker: Taker, redis_url: str, queue: str, priority: int
) -> None:
    taker.come_to_rest()
    before = _looks(redis_url)
    taker.wait_for_nothing(0.2)
    assert _looks(redis_url) == before

    def send() -> None:
        for body in "123":
            taker.put(queue, body, priority)

    sender = threading.Thread(target=send)
    sender.start()
    assert taker.take(3) == ["1", "2", "3"]
    sender.join()


def test_what_came_before_the_watch_began_is_taken(taker: Taker) -> None:
    taker.come_to_rest()
    for body in "12":  # Redis says this only once, for both
        taker.put(QUEUE, body)
    assert taker.take(2) == ["1", "2"]
    taker.put(SWEEPS, "3")
    assert taker.take(3) == ["1", "2", "3"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """The event loop that a worker has."""
    made = Hub()
    set_event_loop(made)
    yield made
    set_event_loop(None)


@pytest.mark.timeout(20)
def test_what_is_said_of_other_queues_while_a_message_is_handed_over_stops_nothing(
    taker: Taker, hub: Hub
) -> None:
    taker.come_to_rest()  # Redis is to tell of each of three queues
    taker.put(QUEUE, "1")
    assert taker.take(1) == ["1"]
    channel: Any = taker.consumer.channel
    assert channel._resting
    for queue in (SWEEPS, PARTS):
        taker.put(queue, queue)
    sock = channel.client.connection._sock
    assert eventually(lambda: select.select([sock], [], [], 0)[0])
    for _ in range(2):  # the second time there is nothing to read, as where it is TLS that reads
        with pytest.raises(Empty):
            channel._brpop_read()
    assert eventually(lambda: (hub.fire_timers(), not channel._resting)[1])
    while len(taker.taken) < 3:
        hub.fire_timers()
        with contextlib.suppress(TimeoutError):
            taker.connection.drain_events(timeout=0.1)
    assert set(taker.taken) == {"1", SWEEPS, PARTS}


def test_while_it_waits_a_worker_can_be_given_other_queues(taker: Taker) -> None:
    taker.come_to_rest()
    taker.consumer.cancel_by_queue(QUEUE)
    taker.put(QUEUE, "not this")
    taker.wait_for_nothing(0.1)
    taker.put(SWEEPS, "1")
    assert taker.take(1) == ["1"]
    taker.come_to_rest()
    taker.consumer.cancel_by_queue(SWEEPS)
    taker.consumer.cancel_by_queue(PARTS)
    taker.wait_for_nothing(0.1)
    taker.consumer.add_queue(kombu.Queue(QUEUE, kombu.Exchange(QUEUE), QUEUE))
    taker.consumer.consume()
    assert taker.take(2) == ["1", "not this"]


def test_a_waiting_worker_closes_its_connection_at_once(taker: Taker) -> None:
    taker.come_to_rest()
    with pytest.MonkeyPatch.context() as patch:
        # it would read an answer that does not come
        patch.setattr(transport.Channel, "_brpop_read", None)
        taker.connection.close()


@pytest.mark.parametrize("queue", [SWEEPS, PARTS])
def test_what_is_taken_of_any_queue_of_ours_stays_stored(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    monkeypatch.setattr(Transport, "Channel", transport.Channel)
    alone = Taker(redis_url, [queue])
    alone.put(queue, "1")
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("commandstats")["cmdstat_eval"]["calls"]
        assert alone.take(1) == ["1"]
        assert client.info("commandstats")["cmdstat_eval"]["calls"] > before
    alone.connection.close()


def test_a_redis_that_does_not_say_when_a_message_comes_is_asked(
    own_redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(own_redis.url) as admin:
        rules = ("on", ">secret", "~*", "&*", "+@all", "-client|tracking")
        admin.execute_command("ACL SETUSER", "old", *rules)
    monkeypatch.setattr(Transport, "Channel", transport.Channel)
    taker = Taker(own_redis.url.replace("redis://", "redis://old:secret@"))
    taker.wait_for_nothing(0.2)
    for queue in (QUEUE, SWEEPS, PARTS):
        taker.put(queue, queue)
    assert sorted(taker.take(3)) == sorted((QUEUE, SWEEPS, PARTS))
    taker.connection.close()
    assert "CLIENT TRACKING" in caplog.text


@pytest.mark.slow
def test_a_redis_that_has_fallen_silent_is_given_up(
    own_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transport, "Channel", transport.Channel)
    monkeypatch.setattr(transport, "PROBE_S", 0.1)
    taker = Taker(own_redis.url)
    taker.come_to_rest()
    poller: Any = taker.connection.transport
    (channel,) = (one for one in poller.cycle._channels if one._watching)
    assert own_redis.pid is not None
    os.kill(own_redis.pid, signal.SIGSTOP)
    channel.probe()
    eventually(lambda: not channel.probe() and channel._in_poll is None)
    os.kill(own_redis.pid, signal.SIGCONT)
    taker.put(QUEUE, "1")
    assert taker.take(1) == ["1"]
    taker.connection.close()


@pytest.mark.parametrize("step", ["ack", "reject", "requeue"])
@pytest.mark.parametrize("way", ["closed", "torn off"])
def test_what_is_acknowledged_after_its_broker_went_away_is_let_be(
    taker: Taker, way: str, step: str
) -> None:
    taker.put(QUEUE, "1")
    kept: list[kombu.Message] = []
    taker.consumer.callbacks = [lambda _, message: kept.append(message)]
    while not kept:
        taker.connection.drain_events(timeout=10)
    with pytest.MonkeyPatch.context() as patch:
        if way == "closed":
            taker.connection.close()
        else:  # kombu may let go of a connection before it has closed all channels
            patch.setattr(taker.connection.transport, "client", None)
        getattr(kept[0], step)()
