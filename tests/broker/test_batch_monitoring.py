"""Whoever watches a worker sees each job of a batch as a task of its own."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from tests.servers import NamedRabbitMQ, Postgres, RabbitMQ, Redis
from tests.support.locks import held_table, wait_for_waiting
from tests.support.stack import Pending, ServerStack, Worker, eventually
from tests.support.stores import new_ids

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IDS = sorted(new_ids(16, seed=3))


@pytest.fixture(params=["redis", "amqp"])
def stack(
    request: pytest.FixtureRequest,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
) -> Iterator[ServerStack]:
    """A store and a broker of each kind, with no worker yet."""
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis_server")
        broker_url = redis.create_database()
    else:
        rabbitmq: RabbitMQ | NamedRabbitMQ = request.getfixturevalue("rabbitmq_server")
        broker_url = rabbitmq.create_vhost()
    database_url = postgres_server.create_database(postgres_template)
    made = ServerStack(request.param, tmp_path, database_url, broker_url)
    yield made
    made.close()
    postgres_server.drop_database(database_url)


def _start(stack: ServerStack, *options: str) -> Worker:
    """Start a worker that tells of its signals, in its log."""
    worker = Worker(stack.folder, stack.settings, app="tests.support.signal_log", options=options)
    stack.workers.append(worker)
    return worker


def _send(stack: ServerStack, tenant: str, ids: list[str] = IDS) -> list[Pending]:
    """Send a detach of one link for each id."""
    stack.store.tag(tenant, "old", tables=ids)
    body = {"tenant": tenant, "names": ["old"]}
    return [stack.send("tags.detach", {**body, "tables": [one]}) for one in ids]


def _moments(stack: ServerStack, sent: list[Pending]) -> Counter[Any]:
    """Return when the jobs were accepted: those of one transaction, at one moment."""
    return Counter(stack.store.job(one.id).accepted_at for one in sent)


def _heard(worker: Worker, sent: list[Pending]) -> dict[str, list[str]]:
    """Return the signals of each task, in their order."""
    found: dict[str, list[str]] = {one.id: [] for one in sent}
    for name, task_id in re.findall(r"^heard (\w+) of ([-0-9a-f]{36})", worker.log, re.MULTILINE):
        found[task_id].append(name)
    return found


def test_signals_are_sent_once_for_each_job_of_a_batch(stack: ServerStack, tenant: str) -> None:
    sent = _send(stack, tenant)
    worker = _start(stack)
    for one in sent:
        assert one.get(timeout=60)["counts"]["removed"] == 1
    assert max(_moments(stack, sent).values()) > 1
    each = ["task_prerun", "task_success", "task_postrun"]
    eventually(lambda: worker.log.count("heard task_postrun") == len(sent))
    assert _heard(worker, sent) == {one.id: each for one in sent}
    for one in sent:
        assert f"heard task_prerun of {one.id} for {tenant}" in worker.log
        assert f"heard task_postrun of {one.id}: SUCCESS" in worker.log


class Monitor:
    """Listens to workers as ``celery events`` does."""

    def __init__(self, app: Celery, connection: Any) -> None:
        self._found: list[dict[str, Any]] = []
        receiver: Any = app.events.Receiver(connection, handlers={"*": self._found.append})
        self._listening = receiver.consumer_context(wakeup=False)
        self._connection: Any = None

    def __enter__(self) -> Self:
        self._connection, _, _ = self._listening.__enter__()
        self._listen()  # on Redis the first look subscribes
        return self

    def __exit__(self, *raised: object) -> None:
        self._listening.__exit__(*raised)

    def of(self, task_id: str) -> list[dict[str, Any]]:
        """Return what has been told of a task so far, in its order."""
        self._listen()
        told = [event for event in self._found if event.get("uuid") == task_id]
        return sorted(told, key=lambda event: event["clock"])

    def _listen(self) -> None:
        with suppress(TimeoutError):
            while True:
                self._connection.drain_events(timeout=0.1)


@contextmanager
def _monitor(stack: ServerStack) -> Iterator[Monitor]:
    with stack.caller() as app, app.connection() as connection, Monitor(app, connection) as made:
        yield made


def test_a_monitor_is_told_of_each_job_of_a_batch(stack: ServerStack, tenant: str) -> None:
    with _monitor(stack) as monitor:
        sent = _send(stack, tenant)
        worker = _start(stack, "-E")
        for one in sent:
            one.get(timeout=60)
        eventually(lambda: all(len(monitor.of(one.id)) >= 3 for one in sent))
        told = {one.id: monitor.of(one.id) for one in sent}
    assert max(_moments(stack, sent).values()) > 1
    for events in told.values():
        types = [event["type"] for event in events]
        assert types == ["task-received", "task-started", "task-succeeded"]
        received, _, succeeded = events
        assert received["name"] == "tags.detach"
        assert {event["hostname"] for event in events} == {f"{worker.folder.name}@test"}
        assert succeeded["runtime"] >= 0


def test_one_revoked_before_its_worker_has_it_leaves_the_batch(
    stack: ServerStack, tenant: str
) -> None:
    worker = _start(stack)
    stack.wait()
    worker.process.send_signal(signal.SIGSTOP)
    sent = _send(stack, tenant)
    revoked = sent[5]
    _revoke(stack, revoked)
    worker.process.send_signal(signal.SIGCONT)
    _check(stack, tenant, sent, {revoked.id})


def _revoke(stack: ServerStack, *revoked: Pending) -> None:
    with stack.caller() as app:
        app.control.revoke([one.id for one in revoked])


def _check(stack: ServerStack, tenant: str, sent: list[Pending], revoked: set[str]) -> None:
    """Assert that the revoked jobs were not done, and all others were, once."""
    for one in sent:
        if one.id in revoked:
            with pytest.raises(TaskRevokedError, match="revoked"):
                one.get(timeout=60)
            assert stack.store.job(one.id) is None
        else:
            assert one.get(timeout=60)["counts"]["removed"] == 1
            assert stack.store.job(one.id).ends == 1
    assert len(stack.store.links(tenant)) == len(revoked)


@pytest.mark.parametrize("all_of_them", [False, True], ids=["some", "all"])
def test_one_revoked_while_it_waits_for_a_process_leaves_the_batch(
    stack: ServerStack, tenant: str, *, all_of_them: bool
) -> None:
    worker = _start(stack)
    stack.wait()
    busy, later = IDS[:1], IDS[1:]
    with held_table(stack.store, "job"):
        first = _send_alone(stack, tenant, busy)
        wait_for_waiting(stack.store)
        before = worker.log.count("] received")
        sent = _send(stack, tenant, later)
        if stack.name == "amqp":  # on Redis a message waits in its queue
            eventually(lambda: worker.log.count("] received") > before + 5)
        revoked = sent if all_of_them else sent[1:4]
        _revoke(stack, *revoked)
        eventually(partial(_is_told, worker, [one.id for one in revoked]))
    assert first.get(timeout=60)["status"] == "succeeded"
    _check(stack, tenant, sent, {one.id for one in revoked})
    # its process is free for what comes next
    assert stack.detach(tenant, ["none"], tables=busy)["status"] == "succeeded"


def _send_alone(stack: ServerStack, tenant: str, ids: list[str]) -> Pending:
    """Send a job that is never in a batch: it keeps its process until it can be done."""
    body = {"tenant": tenant, "names": ["no"], "tables": ids, "max_affected": 9}
    return stack.send("tags.detach", body)


def _is_told(worker: Worker, ids: list[str]) -> bool:
    """Tell whether the worker has been told that these tasks are revoked."""
    _, _, told = worker.log.partition("flagged as revoked: ")
    return all(one in told for one in ids)
