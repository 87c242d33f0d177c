"""Redis: in which order messages are taken, what ends a wait, and what a lost broker costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import kombu
import pytest
import redis
from kombu.transport.redis import Transport

from tagsweep.worker.broker.redis import transport
from tests.support.wire import PARTS, QUEUE, SWEEPS

pytestmark = pytest.mark.integration


class Taker:
    """Takes messages as a worker does, one at a time, and notes what it took."""

    def __init__(self, url: str) -> None:
        self.taken: list[str] = []
        self.connection = kombu.Connection(url)
        queues = [kombu.Queue(name, kombu.Exchange(name), name) for name in (QUEUE, SWEEPS, PARTS)]
        self.consumer = self.connection.Consumer(queues, callbacks=[self._take])
        self.consumer.qos(prefetch_count=1)
        self.consumer.consume()

    def _take(self, body: str, message: kombu.Message) -> None:
        self.taken.append(body)
        message.ack()

    def take(self, how_many: int) -> list[str]:
        """Take so many messages, and return what was in them."""
        while len(self.taken) < how_many:
            self.connection.drain_events(timeout=10)
        return self.taken

    def put(self, queue: str, body: str) -> None:
        """Send a message."""
        with self.connection.Producer() as producer:
            producer.publish(body, routing_key=queue, exchange=queue, headers={"task": "t"})


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


def test_a_wait_changes_no_order_and_ends_with_a_job(
    taker: Taker, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "WAIT_S", 1.5)  # below the client's own patience

    def send() -> None:
        for body in ("1", "2", "3"):
            taker.put(QUEUE, body)

    sender = threading.Timer(0.4, send)
    started = time.monotonic()
    sender.start()
    assert taker.take(1) == ["1"]
    assert time.monotonic() - started < 1.4
    sender.join()
    assert taker.take(3) == ["1", "2", "3"]
    with redis.Redis.from_url(redis_url) as client:
        assert client.info("commandstats").get("cmdstat_blmove")


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
