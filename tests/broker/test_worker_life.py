"""How a worker starts, what it is called, and how it ends; and that nobody outlives it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers import Postgres
from tests.servers.processes import is_alive, kill_tree, spawn
from tests.support.locks import held_link, wait_for_waiting
from tests.support.stack import ServerStack, environment, eventually
from tests.support.stores import new_ids, new_tenant

pytestmark = pytest.mark.integration

CELERY = [sys.executable, "-m", "celery", "-A", "tagsweep", "worker", "-l", "INFO", "-c", "1"]
TAGSWEEP = [sys.executable, "-m", "tagsweep.producer.cli", "worker", "--concurrency", "1"]
TAGSWEEP += ["--express", "0"]  # the other one: test_express.py
BOTH = pytest.mark.parametrize("command", [CELERY, TAGSWEEP], ids=["celery", "tagsweep"])


class Started:
    """A worker as people start it, in a folder of its own."""

    def __init__(self, folder: Path, stack: ServerStack, command: list[str]) -> None:
        self.folder = folder
        folder.mkdir()
        given = environment(**stack.settings)
        self.process: subprocess.Popen[bytes] = spawn(command, folder=folder, environment=given)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "log").read_text(errors="replace")

    def wait(self) -> None:
        """Return once it takes messages."""
        eventually(lambda: " ready." in self.log)


@pytest.fixture(params=["redis", "amqp"])
def stack(
    request: pytest.FixtureRequest,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
) -> Iterator[ServerStack]:
    """A store and a broker of each kind, with no worker yet."""
    server: Any = request.getfixturevalue("redis_url" if request.param == "redis" else "amqp_url")
    database_url = postgres_server.create_database(postgres_template)
    made = ServerStack(request.param, tmp_path / "stack", database_url, server)
    try:
        yield made
    finally:
        made.close()
        postgres_server.drop_database(database_url)


@pytest.fixture
def start(stack: ServerStack, tmp_path: Path) -> Iterator[Any]:
    """Start workers on the stack; they end with the test."""
    started: list[Started] = []

    def begin(*command: str) -> Started:
        started.append(Started(tmp_path / f"started-{len(started)}", stack, list(command)))
        return started[-1]

    yield begin
    for one in started:
        kill_tree(one.process)


def _names(stack: ServerStack) -> list[str]:
    with stack.caller() as app:
        replies: Any = app.control.ping(timeout=1)
    return sorted(name for reply in replies or () for name in reply)


@pytest.mark.slow
@BOTH
def test_two_workers_of_one_host_both_work_and_both_answer(
    stack: ServerStack, start: Any, command: list[str]
) -> None:
    for worker in [start(*command) for _ in range(2)]:
        worker.wait()
    first, second = eventually(lambda: len(found := _names(stack)) == 2 and found)
    assert first != second
    assert {name.split("@")[1] for name in (first, second)} == {_host()}
    tenant = new_tenant()
    for _ in range(4):
        assert stack.detach(tenant, ["legacy"], tables=new_ids(1))["status"] == "succeeded"


def _host() -> str:
    return socket.gethostname()


@pytest.mark.slow
@BOTH
def test_a_name_that_is_given_is_taken(stack: ServerStack, start: Any, command: list[str]) -> None:
    start(*command, "-n", "mine@%h").wait()
    assert eventually(lambda: _names(stack)) == [f"mine@{_host()}"]


@pytest.mark.slow
@BOTH
def test_a_worker_that_is_asked_to_end_ends_well(
    stack: ServerStack, start: Any, command: list[str]
) -> None:
    assert stack.name
    worker = start(*command)
    worker.wait()
    worker.process.terminate()
    assert worker.process.wait(20) == 0


@pytest.mark.slow
@BOTH
def test_a_worker_that_gives_up_does_not_end_well(
    stack: ServerStack, start: Any, command: list[str], tmp_path: Path
) -> None:
    assert stack.name
    (tmp_path / "faulty.py").write_text(
        "import runpy, sys\n"
        "from tagsweep.worker.broker.runtime.reconnection import Consumer\n"
        "def fail(self):\n    raise RuntimeError('a bug')\n"
        "Consumer.on_ready = fail\n"
        f"sys.argv = {command[2:]!r}\n"
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    )
    worker = start(sys.executable, str(tmp_path / "faulty.py"))
    assert worker.process.wait(30) == 1
    assert "a bug" in worker.log


@pytest.mark.slow
@BOTH
def test_pool_processes_end_with_a_worker_that_is_killed(
    stack: ServerStack, start: Any, command: list[str]
) -> None:
    worker = start(*command)
    worker.wait()
    children = psutil.Process(worker.process.pid).children(recursive=True)
    assert children
    tenant, (held,) = new_tenant(), new_ids(1)
    stack.store.tag(tenant, "legacy", tables=[held])
    with held_link(stack.store, held):  # one is busy, and would be for long
        stack.send("tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": [held]})
        wait_for_waiting(stack.store)
        worker.process.kill()
        eventually(lambda: not any(map(is_alive, children)), seconds=5)


@pytest.mark.slow
@BOTH
def test_no_other_thread_runs_where_pool_processes_are_forked(
    stack: ServerStack, start: Any, command: list[str]
) -> None:
    worker = start(*command)
    worker.wait()
    parent = psutil.Process(worker.process.pid)
    tenant, (held,) = new_tenant(), new_ids(1)
    stack.store.tag(tenant, "legacy", tables=[held])
    with held_link(stack.store, held):
        sent = stack.send("tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": [held]})
        wait_for_waiting(stack.store)
        (busy,) = parent.children()
        busy.kill()
        eventually(lambda: [one.pid for one in parent.children()] not in ([busy.pid], []))
        assert len(parent.threads()) == 1  # a lock that it held would stay held in the new process
    assert sent.get(timeout=30)["counts"]["removed"] == 1
