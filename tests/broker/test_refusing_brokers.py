"""Brokers that answer and refuse: who asks is told so, in their own words, and workers live on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tagsweep.worker.broker import inspection
from tagsweep.worker.doctor import checks
from tagsweep.worker.errors import BrokerRefused
from tests.servers import Postgres, RabbitMQ, Redis
from tests.support.fixtures import configured
from tests.support.gateway import Gateway, serving
from tests.support.locks import held_link, wait_for_waiting
from tests.support.stack import ServerStack, Worker, eventually, messages_waiting
from tests.support.stores import counts, new_ids, new_tenant
from tests.weather import refusals_rabbitmq, refusals_redis
from tests.weather.refusals_rabbitmq import VirtualHost

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

#: what is in the server's words, by the refusal's name
REDIS = {
    "read-only": "READONLY",
    "master-down": "READONLY",  # of a write, that is said first
    "out-of-memory": "OOM",
    "no-right-to-list": "NOPERM",
    "no-right-on-keys": "NOPERM",
    "another-password": "WRONGPASS",
    "busy": "BUSY",
    "not-saved": "MISCONF",
    "no-replicas": "NOREPLICAS",
    "crowded": "max number of clients",
}
RABBITMQ = {
    "no-right-to-write": "403",
    "no-user": "403",
    "no-memory": "connection blocked",
    "no-more-connections-here": "530",
}
CASES = [*(f"redis {name}" for name in REDIS), *(f"amqp {name}" for name in RABBITMQ)]
#: under which a worker is looked at
LIVED = ["redis read-only", "redis out-of-memory", "amqp no-right-to-write"]
#: while it lasts these many lines may tell of it, in the log of one process
MOST_LINES = 8


@dataclass
class Place:
    """A broker of its own, as the user that it may refuse."""

    url: str
    owner_url: str
    refusing: Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def places() -> Iterator[Callable[[str], Place]]:
    """A broker of each kind."""
    with Redis(appendonly=True) as redis, RabbitMQ() as rabbitmq:
        refusals_redis.prepare(redis)
        VirtualHost(rabbitmq, rabbitmq.create_vhost()).prepare()
        on_redis = {one.name: one.switch for one in refusals_redis.REFUSALS}
        on_redis["no-information"] = refusals_redis.without("-info", "-config")
        on_rabbitmq = {one.name: one.switch for one in refusals_rabbitmq.REFUSALS}

        def choose(kind: str) -> Place:
            if kind == "amqp":
                host = VirtualHost(rabbitmq, rabbitmq.create_vhost())
                host.permit()
                return Place(host.url, host.owner_url, lambda name: on_rabbitmq[name](host))
            owner = redis.create_database()
            url = refusals_redis.url_of(owner)
            return Place(url, owner, lambda name: on_redis[name](redis))

        yield choose


@pytest.fixture
def stack_on(
    postgres_server: Postgres, postgres_template: str, tmp_path: Path
) -> Iterator[Callable[[Place], ServerStack]]:
    """Make a store and, on the place given, a stack without workers."""
    made: list[tuple[ServerStack, str]] = []

    def make(place: Place) -> ServerStack:
        url = postgres_server.create_database(postgres_template)
        stack = ServerStack("refused", tmp_path, url, place.owner_url)
        stack.settings |= {"broker_url": place.url, "visibility_s": 2}
        made.append((stack, url))
        return stack

    yield make
    for stack, url in made:
        stack.close()
        postgres_server.drop_database(url)


def _told_by(kind: str, name: str) -> str:
    return (REDIS if kind == "redis" else RABBITMQ)[name]


@pytest.mark.parametrize("case", CASES)
def test_doctor_and_readiness_tell_what_a_broker_refuses(
    places: Callable[[str], Place], stack_on: Callable[[Place], ServerStack], case: str
) -> None:
    kind, name = case.split()
    place, words = places(kind), _told_by(kind, name)
    stack = stack_on(place)
    settings: dict[str, Any] = stack.settings
    with configured(**settings), serving(stack) as gateway:
        eventually(lambda: not [one for one in _wrong() if "refuses" in one.what])
        eventually(lambda: _readiness(gateway).status_code == 200)
        with place.refusing(name):
            told = eventually(lambda: [one.what for one in _wrong() if words in one.what])
            assert all("Start it, or set" not in one for one in told)
            answer = eventually(lambda: words in _readiness(gateway).text and _readiness(gateway))
            assert answer.status_code == 503
            assert "weather-0123" not in answer.text + "".join(told)
        eventually(lambda: _readiness(gateway).status_code == 200)


def _wrong() -> list[checks.Finding]:
    return [one for one in checks.findings() if one.is_wrong and one.about == "broker"]


def _readiness(gateway: Gateway) -> httpx.Response:
    return httpx.get(f"{gateway.url}/readyz")


@contextmanager
def _refusing(place: Place, name: str, stack: ServerStack) -> Iterator[None]:
    """Let the broker refuse; if it is full, while a job is under way, whose end is refused.

    A full Redis refuses nothing to a worker that is idle.
    """
    with ExitStack() as held:
        if name == "out-of-memory":
            tenant, ids = new_tenant(), new_ids(1)
            stack.store.tag(tenant, "held", tables=ids)
            held.enter_context(held_link(stack.store, ids[0]))
            stack.send("tags.detach", {"tenant": tenant, "names": ["held"], "tables": ids})
            wait_for_waiting(stack.store)
        with place.refusing(name):
            held.close()
            yield


@pytest.mark.parametrize("case", LIVED)
def test_a_worker_lives_through_it_and_its_log_is_short(
    places: Callable[[str], Place], stack_on: Callable[[Place], ServerStack], case: str
) -> None:
    kind, name = case.split()
    place = places(kind)
    stack = stack_on(place)
    tenant, ids = new_tenant(), new_ids(6)
    stack.store.tag(tenant, "legacy", tables=ids)
    worker = stack.start_worker()
    stack.wait()
    with _refusing(place, name, stack):
        eventually(lambda: "refuses: " in worker.log)
        told = len(_warnings(worker))
        time.sleep(6)  # what would be told each second would be told often now
        new = _warnings(worker)[told:]
        assert len(new) <= MOST_LINES, "\n".join(new)
        assert not worker.ended
    for one in ids:
        done = stack.detach(tenant, ["legacy"], tables=[one])
        assert done["counts"] == counts(total=1, removed=1)
    eventually(lambda: re.search("again, after", worker.log))
    assert not worker.ended


@pytest.mark.parametrize("case", LIVED)
def test_a_worker_that_is_asked_to_end_ends_while_it_is_refused(
    places: Callable[[str], Place], stack_on: Callable[[Place], ServerStack], case: str
) -> None:
    kind, name = case.split()
    place = places(kind)
    stack = stack_on(place)
    worker = stack.start_worker()
    stack.wait()
    with _refusing(place, name, stack):
        eventually(lambda: "refuses: " in worker.log)
        worker.process.terminate()
        assert worker.process.wait(10) == 0


def test_a_full_redis_is_worked_off_also_by_a_worker_that_starts_then(
    places: Callable[[str], Place], stack_on: Callable[[Place], ServerStack]
) -> None:
    place = places("redis")
    stack = stack_on(place)
    tenant, ids = new_tenant(), new_ids(5)
    stack.store.tag(tenant, "legacy", tables=ids)
    body = {"tenant": tenant, "names": ["legacy"]}
    sent = [stack.send("tags.detach", {**body, "tables": [one]}) for one in ids]
    assert messages_waiting(place.owner_url) == len(ids)
    with place.refusing("out-of-memory"):
        worker = stack.start_worker()
        eventually(lambda: all(stack.store.job(job.id) for job in sent))
        eventually(lambda: messages_waiting(place.owner_url) == 0)
        assert not worker.ended
    for job in sent:
        assert job.get(timeout=30)["counts"] == counts(total=1, removed=1)


def test_a_message_of_no_job_waits_for_the_store_and_lets_others_follow(
    stack_on: Callable[[Place], ServerStack], places: Callable[[str], Place]
) -> None:
    stack = stack_on(places("redis"))
    worker = stack.start_worker()
    stack.wait()
    with stack.store.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE set_aside RENAME TO elsewhere")
    stray = stack.send("tags.unheard_of", {})
    eventually(lambda: "waits until it can be set aside" in worker.log)
    with stack.store.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO set_aside")
    eventually(lambda: stack.store.set_aside(stray.id))
    assert stack.detach(new_tenant(), ["n"], tables=new_ids(1))["status"] == "succeeded"
    assert not worker.ended


def _warnings(worker: Worker) -> list[str]:
    """Return the lines of its log but for those that tell of work."""
    return [line for line in worker.log.splitlines() if ": INFO/" not in line]


def test_a_missing_right_to_information_is_no_fault(
    places: Callable[[str], Place], stack_on: Callable[[Place], ServerStack]
) -> None:
    place = places("redis")
    stack = stack_on(place)
    settings: dict[str, Any] = stack.settings
    with configured(**settings), place.refusing("no-information"):
        assert not [one for one in checks.findings() if one.about == "broker" and one.is_wrong]


def test_a_retry_works_while_redis_is_down(
    own_redis: Redis, postgres_server: Postgres, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres_server.create_database(postgres_template)
    stack = ServerStack("down", tmp_path, url, own_redis.create_database())
    try:
        worker = stack.start_worker()
        stack.wait()
        serving_alone = serving(stack, inline_items=0)
        with serving_alone as gateway, gateway.client(tenant := new_tenant()) as client:
            body = {"tenant": tenant, "workspaces": ["none"], "tags": [{"key": "env"}]}
            job_id = stack.run("tags.delete", body)["job_id"]
            worker.kill()
            own_redis.stop()
            answer = client.post(f"/api/v1/jobs/{job_id}/retry")
            assert (answer.status_code, answer.json()["status"]) == (202, "running")
            refused = client.post("/api/v1/tags/detach/", json={"names": ["n"]})
            assert refused.status_code == 503
            assert "The broker does not answer" in refused.text
    finally:
        stack.close()
        postgres_server.drop_database(url)


def test_what_answers_refuses_and_names_itself(
    places: Callable[[str], Place], stack_on: Callable[[Place], ServerStack]
) -> None:
    place = places("redis")
    settings: dict[str, Any] = stack_on(place).settings
    with (
        configured(**settings),
        place.refusing("read-only"),
        pytest.raises(BrokerRefused, match=r"READONLY.*TAGSWEEP_BROKER_URL to the master"),
    ):
        inspection.probe()
