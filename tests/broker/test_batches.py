"""Small jobs whose messages are there together are done together, and nobody notices."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tagsweep.worker.broker import batching
from tagsweep.worker.tasks import batch
from tests.chaos import faulty
from tests.servers import NamedRabbitMQ, Postgres, RabbitMQ, Redis
from tests.support.fixtures import configured
from tests.support.locks import held_link, held_table, wait_for_waiting
from tests.support.stack import Pending, ServerStack, Worker, eventually
from tests.support.stores import counts, new_ids, new_tenant

IDS = sorted(new_ids(400, seed=12))
JOBS = 24


@pytest.fixture(params=["redis", "amqp"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """An empty broker of either kind."""
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis_server")
        return redis.create_database()
    rabbitmq: RabbitMQ | NamedRabbitMQ = request.getfixturevalue("rabbitmq_server")
    return rabbitmq.create_vhost()


@pytest.fixture
def stack(
    postgres_server: Postgres, postgres_template: str, broker_url: str, tmp_path: Path
) -> Iterator[ServerStack]:
    """A store and a broker; workers are still to be started."""
    database_url = postgres_server.create_database(postgres_template)
    stack = ServerStack("batches", tmp_path, database_url, broker_url)
    stack.settings |= {"visibility_s": 1}
    yield stack
    stack.close()
    postgres_server.drop_database(database_url)


def _send(stack: ServerStack, tenant: str, how_many: int = JOBS) -> list[Pending]:
    """Send so many detaches, of one link each, of a tag."""
    stack.store.tag(tenant, "old", tables=IDS[:how_many])
    return _send_only(stack, tenant, how_many)


def _send_only(stack: ServerStack, tenant: str, how_many: int = JOBS) -> list[Pending]:
    body = {"tenant": tenant, "names": ["old"]}
    return [stack.send("tags.detach", {**body, "tables": [one]}) for one in IDS[:how_many]]


def _check(stack: ServerStack, tenant: str, sent: list[Pending]) -> None:
    """Assert that each job has removed its link, and has told so once."""
    for pending in sent:
        done = pending.get(timeout=60)
        assert done["counts"] == counts(total=1, removed=1), done
        assert stack.store.job(pending.id).ends == 1
        events = eventually(partial(stack.events, pending.id))
        assert {event["id"] for event in events} == {f"{pending.id}.1"}
        assert all(event["data"] == done for event in events)
    assert stack.store.links(tenant) == set()


def _moments(stack: ServerStack, sent: list[Pending]) -> set[Any]:
    """Return when the jobs were accepted: those of one transaction, at one moment."""
    return {stack.store.job(pending.id).accepted_at for pending in sent}


def _is_logged(worker: Worker, line: str) -> bool:
    return line in worker.log


@pytest.mark.integration
@pytest.mark.slow
def test_messages_that_wait_together_are_done_together(stack: ServerStack, tenant: str) -> None:
    sent = _send(stack, tenant)
    worker = stack.start_worker()
    _check(stack, tenant, sent)
    assert len(_moments(stack, sent)) <= JOBS // 2
    # to Celery each is a task of its own
    for line in {f"tags.detach[{pending.id}] succeeded" for pending in sent}:
        eventually(partial(_is_logged, worker, line))


@pytest.mark.integration
@pytest.mark.slow
def test_sets_that_wait_together_are_done_together(stack: ServerStack, tenant: str) -> None:
    names = [f"w-{at}" for at in range(30)]
    for name in names:
        stack.store.workspace(tenant, name, {"env": "dev"})
    body = {"tenant": tenant, "tags": [{"key": "env", "value": "prod"}]}
    sent = [stack.send("tags.set", {**body, "workspaces": [name, "w-0"]}) for name in names]
    stack.start_worker()
    done = [pending.get(timeout=60)["counts"] for pending in sent]
    assert sum(counts["set"] for counts in done) == len(names)
    assert {value for _, _, value, _ in stack.store.workspace_tags(tenant)} == {"prod"}
    assert len(_moments(stack, sent)) <= len(sent) // 2


@pytest.mark.integration
@pytest.mark.slow
def test_what_is_not_plain_goes_its_own_way_among_others(stack: ServerStack, tenant: str) -> None:
    (one,) = IDS[100:101]
    stack.store.tag(tenant, "own", tables=[one], layers=[one])
    stack.store.workspace(tenant, "w", tags={"k": "v"})
    own = {"tenant": tenant, "names": ["own"]}
    wanted = {"tenant": tenant, "tags": [{"key": "k"}]}
    special = [
        ("tags.detach", {**own, "tables": [one], "dry_run": True}, (1, 1)),
        ("tags.detach", {**own, "layers": "*"}, (1, 1)),
        ("tags.detach", {**own, "tables": IDS[101:104], "max_affected": 9}, (3, 0)),
        ("tags.delete", {**wanted, "workspaces": ["w"]}, (1, 1)),
    ]
    refused = [
        {"tenant": tenant, "names": 7},
        {**own, "tables": ["no id"]},
        {**own, "tables": IDS[101:104], "max_affected": -1},
    ]
    plain = _send(stack, tenant, 20)
    others = [(stack.send(task, body), expected) for task, body, expected in special]
    bad = [stack.send("tags.detach", body) for body in refused]
    bad.append(stack.send("tags.detach", own, task_id="no-uuid"))
    stack.start_worker()
    for pending, (total, removed) in others:
        done = pending.get(timeout=60)["counts"]
        assert (done["total"], done["removed"]) == (total, removed)
    for pending in bad:
        with pytest.raises(Exception, match=r".+"):
            pending.get(timeout=60)
    for pending in plain:
        assert pending.get(timeout=60)["counts"]["removed"] == 1
    assert len(_moments(stack, plain)) <= len(plain) // 2


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("whole", [False, True], ids=["a child", "the worker"])
def test_a_batch_that_is_killed_comes_back_whole_and_each_job_alone(
    stack: ServerStack, tenant: str, *, whole: bool
) -> None:
    _kill_a_batch(stack, tenant, held_table(stack.store, "job"), whole=whole)


def _kill_a_batch(
    stack: ServerStack, tenant: str, held: AbstractContextManager[object], *, whole: bool
) -> None:
    """Kill a child, or the whole worker, that has a batch in hand; check that all of it is done.

    ``held``: what keeps the batch from its end.
    """
    worker = stack.start_worker()
    # on Redis a worker takes one message at first, then more each time
    _check(stack, tenant, _send(stack, tenant))
    stack.store.tag(tenant, "old", tables=IDS[:JOBS])
    before = worker.log.count("] received")
    with held:
        worker.process.send_signal(signal.SIGSTOP)
        sent = _send_only(stack, tenant)
        worker.process.send_signal(signal.SIGCONT)
        eventually(lambda: worker.log.count("] received") > before + 1)
        if stack.store.engine.dialect.name == "postgresql":
            # the first thing that a batch does is to look up its ids
            wait_for_waiting(stack.store)
        if whole:
            worker.kill()
        else:
            psutil.Process(worker.process.pid).children()[0].kill()
    if whole:
        stack.start_worker()
    _check(stack, tenant, sent)


@pytest.fixture
def file_stack(sqlite_template: Path, redis_url: str, tmp_path: Path) -> Iterator[ServerStack]:
    """A store that is a file, and a broker; workers are still to be started."""
    path = shutil.copy(sqlite_template, tmp_path / "tagsweep.db")
    stack = ServerStack("file", tmp_path, f"sqlite:///{path}", redis_url)
    stack.settings |= {"visibility_s": 1}
    yield stack
    stack.close()


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("whole", [False, True], ids=["a child", "the worker"])
def test_so_does_one_whose_store_is_a_file(
    file_stack: ServerStack, tenant: str, *, whole: bool
) -> None:
    _kill_a_batch(file_stack, tenant, file_stack.store.transaction(), whole=whole)


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("broker_url", ["redis"], indirect=True)
def test_of_a_batch_that_kills_only_the_job_that_kills_is_given_up(
    stack: ServerStack, tenant: str
) -> None:
    other = new_tenant()
    stack.store.tag(other, "deadly", tables=IDS[:1])
    body = {"tenant": other, "names": ["deadly"], "tables": IDS[:1]}
    sent = _send(stack, tenant, 10)
    deadly = stack.send("tags.detach", body)
    sent += _send(stack, tenant, 10)
    statement = "DELETE FROM tagsweep.tag_link"
    faulty.start(stack, statement=statement, values={"job_id": deadly.id}, whole=False)
    with pytest.raises(Exception, match="Workers crashed"):
        deadly.get(timeout=60)
    for pending in sent:
        assert pending.get(timeout=60)["status"] == "succeeded"
        assert stack.store.job(pending.id).ends == 1
    assert len(stack.store.links(other)) == 1


@pytest.mark.integration
@pytest.mark.slow
def test_a_job_that_waits_for_a_lock_does_not_keep_the_others_of_its_batch(
    stack: ServerStack, tenant: str
) -> None:
    other = new_tenant()
    stack.store.tag(other, "held", tables=IDS[200:201])
    body = {"tenant": other, "names": ["held"], "tables": IDS[200:201]}
    with held_link(stack.store, IDS[200]):
        sent = _send(stack, tenant, 8)
        held = stack.send("tags.detach", body)
        stack.start_worker(concurrency=2)
        for pending in sent:
            assert pending.get(timeout=60)["status"] == "succeeded"
        assert stack.store.job(held.id) is None
    assert held.get(timeout=60)["counts"]["removed"] == 1


@pytest.mark.integration
@pytest.mark.slow
def test_workers_that_are_idle_share_what_comes(stack: ServerStack, tenant: str) -> None:
    workers = [stack.start_worker(concurrency=2) for _ in range(2)]
    stack.wait()
    for worker in workers:
        worker.process.send_signal(signal.SIGSTOP)
    sent = _send(stack, tenant)
    for worker in workers:
        worker.process.send_signal(signal.SIGCONT)
    _check(stack, tenant, sent)
    shares = [worker.log.count("] received") for worker in workers]
    assert sum(shares) >= JOBS
    assert min(shares) > 1


def _cut(worker: Worker, rabbitmq: RabbitMQ) -> None:
    """Have RabbitMQ close the connections of a worker."""
    ports = {str(one.laddr.port) for one in psutil.Process(worker.process.pid).net_connections()}
    told = rabbitmq.control("list_connections", "--quiet", "pid", "peer_port")
    for pid, port in (line.split("\t") for line in told.splitlines()[1:]):
        if port in ports:
            rabbitmq.control("close_connection", pid, "cut")


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("broker_url", ["amqp"], indirect=True)
def test_a_worker_whose_connection_is_lost_while_messages_wait_does_them_and_later_ones(
    stack: ServerStack, tenant: str, rabbitmq_server: RabbitMQ | NamedRabbitMQ
) -> None:
    if not isinstance(rabbitmq_server, RabbitMQ):
        pytest.skip("Its connections cannot be closed.")
    worker = stack.start_worker()
    stack.wait()
    stack.store.tag(tenant, "old", tables=IDS[:JOBS])
    with held_table(stack.store, "job"):
        sent = _send_only(stack, tenant)
        eventually(lambda: worker.log.count("] received") > 2)
        wait_for_waiting(stack.store)
        _cut(worker, rabbitmq_server)
        eventually(lambda: worker.log.count("Connected to ") > 1)
    _check(stack, tenant, sent)
    _check(stack, tenant, _send(stack, tenant))


class Message:
    """A call as it comes from the broker."""

    def __init__(self, body: object = None, embedded: object = None, **headers: object) -> None:
        self.headers: dict[str, Any] = {"task": "tags.detach", **headers}
        self.delivery_info: dict[str, Any] = {}
        body = {"tenant": "t", "names": ["n"], "tables": IDS[:2]} if body is None else body
        self.payload: Any = ([body], {}, embedded or {"callbacks": None, "chord": None})
        self.body = json.dumps(self.payload)


def _came_before() -> Message:
    message = Message()
    message.delivery_info["redelivered"] = True
    return message


def _malformed(payload: object) -> Message:
    message = Message()
    message.payload = payload
    return message


@pytest.fixture
def _no_server() -> Iterator[None]:
    with configured(broker_url="redis://127.0.0.1:1/0", database_url="sqlite:///nowhere.db"):
        yield


@pytest.mark.usefixtures("_no_server")
@pytest.mark.parametrize(
    "message",
    [
        _came_before(),
        Message(retries=1),
        Message(eta="2030-01-01T00:00:00Z"),
        Message(expires="2030-01-01T00:00:00Z"),
        Message(task="tags.undo"),
        Message(task="tags.status"),
        Message(embedded={"callbacks": [{"task": "x"}]}),
        Message(embedded={"chord": {"task": "x"}}),
        Message({"tenant": "t", "names": ["n"], "tables": "*"}),
        Message({"tenant": "t", "names": ["n"], "dry_run": True}),
        Message({"tenant": "t", "names": ["n"], "max_affected": 3}),
        Message({"tenant": "t", "names": ["n"] * 50_000}),
        Message(["no", "object"]),
        _malformed(([], {}, {})),
        _malformed(([{}], {"more": 1}, {})),
        _malformed({"args": []}),
        _malformed(None),
    ],
)
def test_what_is_special_is_done_alone(message: Message) -> None:
    assert batch.TASKS
    assert batching.fits(Message())
    assert not batching.fits(message)
