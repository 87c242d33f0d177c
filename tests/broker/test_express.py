"""``tagsweep worker``: a worker for large jobs, and an express worker for small ones."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest

from tagsweep.worker.broker.runtime import lanes
from tagsweep.worker.chunks import express
from tagsweep.worker.doctor import checks
from tagsweep.worker.jobs import control
from tests.chaos import faulty
from tests.servers import Postgres
from tests.servers.processes import is_alive, spawn
from tests.support.fixtures import configured
from tests.support.locks import held_link, slow_removals, wait_for_slow, wait_for_waiting
from tests.support.stack import Pending, ServerStack, Worker, environment, eventually
from tests.support.stores import new_ids, new_tenant
from tests.support.wire import PARTS, QUEUE, SWEEPS

pytestmark = [pytest.mark.integration, pytest.mark.slow]

#: sorted, so that the first is in the first chunk
IDS = sorted(new_ids(12_000, seed=12))
#: recorded by an express worker; passed on unread
MEDIUM, LARGE = express.MAX_ITEMS + 1, len(IDS)
CHUNK = 500


class Command(Worker):
    """A process of ``tagsweep worker``, or of ``celery -A tagsweep worker``."""

    def __init__(self, stack: ServerStack, *command: str) -> None:
        self.folder = stack.folder / f"command-{uuid4().hex[:8]}"
        self.folder.mkdir(parents=True)
        given = environment(**stack.settings)
        whole = [sys.executable, "-m", *command, "--concurrency", "1", "--loglevel", "INFO"]
        self.process = spawn(whole, folder=self.folder, environment=given)
        stack.workers.append(self)

    @property
    def members(self) -> list[psutil.Process]:
        """The Celery workers of the command: the one for large jobs, and the express worker."""
        return sorted(psutil.Process(self.process.pid).children(), key=lambda one: one.pid)

    def wait_for(self, nodes: int) -> None:
        """Return once so many Celery workers take messages."""
        eventually(lambda: self.log.count(" ready.") == nodes or self.ended)
        assert not self.ended, self.log


@pytest.fixture(params=["redis", "amqp"])
def stack(
    request: pytest.FixtureRequest,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
) -> Iterator[ServerStack]:
    """A store and a broker of each kind, with no worker yet."""
    broker: Any = request.getfixturevalue("redis_url" if request.param == "redis" else "amqp_url")
    database_url = postgres_server.create_database(postgres_template)
    made = ServerStack(request.param, tmp_path / "stack", database_url, broker)
    # what a killed worker had in hand is to come back soon
    made.settings |= {"chunk_size": CHUNK, "visibility_s": 2}
    yield made
    made.close()
    postgres_server.drop_database(database_url)


def _both(stack: ServerStack, *options: str) -> Command:
    command = Command(stack, "tagsweep.producer.cli", "worker", *options)
    command.wait_for(2)
    return command


def _express(stack: ServerStack) -> Command:
    """Start an express worker with plain Celery."""
    command = Command(stack, "celery", "-A", "tagsweep", "worker", "-Q", QUEUE)
    command.wait_for(1)
    return command


def _others(stack: ServerStack) -> Command:
    """Start a worker for sweeps and parts with plain Celery."""
    command = Command(stack, "celery", "-A", "tagsweep", "worker", "-Q", f"{SWEEPS},{PARTS}")
    command.wait_for(1)
    return command


def _tag(stack: ServerStack, *sizes: int) -> str:
    """Make a tenant with a tag of each size, on the same resources."""
    tenant = new_tenant()
    for size in sizes:
        stack.store.tag(tenant, f"t{size}", tables=IDS[:size])
    return tenant


def _send(stack: ServerStack, tenant: str, size: int, **options: Any) -> Pending:
    """Send a job that takes the tag of that size off all its resources."""
    body = {"tenant": tenant, "names": [f"t{size}"], "tables": IDS[:size], **options}
    return stack.send("tags.detach", body)


def _do_small(stack: ServerStack) -> None:
    """Do a small job; it gets its answer."""
    assert stack.detach(new_tenant(), ["none"], tables=new_ids(3))["status"] == "succeeded"


def _removed(pending: Pending) -> int:
    data = pending.get(timeout=60)
    assert data["status"] == "succeeded"
    return int(data["counts"]["removed"])


def test_a_small_job_waits_neither_for_a_chunk_nor_for_a_large_job(stack: ServerStack) -> None:
    _both(stack)
    tenant = _tag(stack, MEDIUM, LARGE, 4)
    with held_link(stack.store, IDS[0]):  # in the first chunk of each
        first = _send(stack, tenant, MEDIUM)
        wait_for_waiting(stack.store)  # all processes for large jobs are busy now
        waiting = [first, _send(stack, tenant, LARGE), _send(stack, tenant, 4, max_affected=4)]
        for _ in range(5):
            _do_small(stack)
    assert [_removed(one) for one in waiting] == [MEDIUM, LARGE, 4]


def test_what_must_wait_for_a_lock_is_left_to_the_other_worker(stack: ServerStack) -> None:
    _both(stack)
    tenant = _tag(stack, 1, 2)
    with held_link(stack.store, IDS[0]):
        pending = [_send(stack, tenant, size) for size in (1, 2)]
        wait_for_waiting(stack.store)
        for _ in range(3):
            _do_small(stack)
        stack.send("tags.cancel", pending[0].id)
        _do_small(stack)
    assert [_removed(one) for one in pending] == [1, 2]


@pytest.mark.parametrize("how", ["message", "recorded"])
def test_large_jobs_wait_for_their_worker_and_small_ones_do_not(
    stack: ServerStack, how: str
) -> None:
    worker = _express(stack)
    size = LARGE if how == "message" else MEDIUM
    tenant = _tag(stack, size)
    pending = _send(stack, tenant, size)
    _do_small(stack)
    if how == "recorded":
        job = eventually(lambda: stack.store.job(UUID(pending.id)))
        assert (job.status, job.total) == ("queued", 0)
    worker.kill()  # between its commit and its message, for all that the store can tell
    with stack.caller() as app, app.connection_for_write() as connection:
        link: Any = connection
        with suppress(link.channel_errors):  # no other worker has declared it yet
            link.default_channel.queue_purge(SWEEPS)
    stack.workers.clear()
    _others(stack)
    assert _removed(pending) == size


def test_small_jobs_keep_to_the_ceiling_on_the_rate(stack: ServerStack) -> None:
    stack.settings |= {"max_rate": 100}
    _both(stack)
    tenant = _tag(stack, 25)
    body = {"tenant": tenant, "names": ["t25"], "tables": IDS[:25]}
    sent = [stack.send("tags.detach", body) for _ in range(5)]
    assert sum(_removed(one) for one in sent) == 25
    ended = sorted(stack.store.job(UUID(one.id)).finished_at for one in sent)
    # each keeps the next waiting for a quarter of a second
    assert (ended[-1] - ended[0]).total_seconds() > 0.7


def test_every_kind_of_large_job_is_done_by_the_other_worker(stack: ServerStack) -> None:
    _both(stack)
    tenant = new_tenant()
    stack.store.tag(tenant, "all", tables=IDS[:MEDIUM])
    body = {"tenant": tenant, "names": ["all"], "tables": "*"}
    selected = stack.run("tags.detach", body)
    assert selected["counts"]["removed"] == MEDIUM
    undone = stack.run("tags.undo", {"tenant": tenant, "job": selected["job_id"]})
    assert undone["status"] == "succeeded"
    assert len(stack.store.links(tenant)) == MEDIUM


def test_the_same_large_job_twice_is_done_once_and_answered_twice(stack: ServerStack) -> None:
    _both(stack)
    tenant = _tag(stack, MEDIUM)
    with held_link(stack.store, IDS[0]):
        first = _send(stack, tenant, MEDIUM)
        wait_for_waiting(stack.store)
        body = {"tenant": tenant, "names": [f"t{MEDIUM}"], "tables": IDS[:MEDIUM]}
        stack.send_from_another("tags.detach", body, task_id=first.id)
        stack.send_from_another("tags.detach", {**body, "names": ["x"]}, task_id=first.id)
        _do_small(stack)
    assert _removed(first) == MEDIUM
    eventually(lambda: len(stack.events(first.id)) == 1)
    assert stack.store.job(UUID(first.id)).ends == 1


def test_a_paused_job_waits_and_small_ones_go_on(stack: ServerStack) -> None:
    _both(stack)
    tenant = _tag(stack, MEDIUM)
    with held_link(stack.store, IDS[0]):
        pending = _send(stack, tenant, MEDIUM)
        # whoever records it may wait for a lock as well
        eventually(lambda: (row := stack.store.job(UUID(pending.id))) and row.started_at)
        wait_for_waiting(stack.store)
        with stack.store.transaction() as connection:
            control.pause(connection, UUID(pending.id))
        _do_small(stack)
    eventually(lambda: stack.store.job(UUID(pending.id)).removed == CHUNK)  # was in hand
    for _ in range(3):
        _do_small(stack)
    assert stack.store.job(UUID(pending.id)).removed == CHUNK
    with stack.store.transaction() as connection:
        control.resume(connection, UUID(pending.id))
    assert _removed(pending) == MEDIUM


def test_a_small_job_that_kills_is_given_up_and_the_express_worker_goes_on(
    stack: ServerStack,
) -> None:
    tenant = new_tenant()
    stack.store.tag(tenant, "t3", tables=IDS[:3])
    deadly = _send(stack, tenant, 3)
    fault = {"statement": "DELETE FROM tagsweep.tag_link", "values": {"job_id": deadly.id}}
    stack.settings[faulty.NAME] = json.dumps({**fault, "whole": False})
    worker = Command(stack, "celery", "-A", "tests.chaos.faulty", "worker", "-Q", QUEUE)
    worker.wait_for(1)
    del stack.settings[faulty.NAME]
    _others(stack)
    behind = [_send(stack, new_tenant(), 3) for _ in range(3)]
    # each crash takes seconds, until the process is replaced
    assert {one.get(timeout=90)["status"] for one in behind} == {"succeeded"}
    job = eventually(lambda: (one := stack.store.job(UUID(deadly.id))) and one.ends and one)
    assert job.status == "failed"
    assert "Workers crashed" in job.errors[0]["reason"]
    _do_small(stack)
    assert not worker.ended
    assert len(stack.store.links(tenant)) == 3


@pytest.mark.parametrize("signals", [("SIGTERM",), ("SIGINT",), ("SIGQUIT",), ("SIGINT",) * 2])
def test_both_end_by_one_signal_with_one_status(
    stack: ServerStack, signals: tuple[str, ...]
) -> None:
    worker = _both(stack)
    members = worker.members
    children = [one for member in members for one in member.children(recursive=True)]
    for name in signals:
        worker.process.send_signal(signal.Signals[name])
    assert worker.process.wait(30) == 0, worker.log
    eventually(lambda: not any(map(is_alive, [*members, *children])), seconds=5)


def test_what_is_in_hand_is_finished_before_both_end(stack: ServerStack) -> None:
    worker = _both(stack)
    tenant = _tag(stack, 500)
    with slow_removals(stack.store):
        pending = _send(stack, tenant, 500)
        wait_for_slow(stack.store)
        worker.process.terminate()
        assert worker.process.wait(30) == 0, worker.log
    assert stack.store.job(UUID(pending.id)).ends == 1


def _kill_first(worker: Command) -> None:
    worker.members[0].kill()


def _kill_express(worker: Command) -> None:
    worker.members[1].kill()


def _kill_parent(worker: Command) -> None:
    worker.process.kill()


@pytest.mark.parametrize("kill", [_kill_first, _kill_express, _kill_parent])
def test_one_that_is_killed_takes_all_with_it_and_nothing_is_lost(
    stack: ServerStack, kill: Callable[[Command], None]
) -> None:
    worker = _both(stack)
    processes = psutil.Process(worker.process.pid).children(recursive=True)
    tenant = _tag(stack, MEDIUM, 3, LARGE)
    with held_link(stack.store, IDS[0]):
        pending = [_send(stack, tenant, size) for size in (MEDIUM, 3, LARGE)]
        wait_for_waiting(stack.store)
        kill(worker)
        assert worker.process.wait(30) == (-signal.SIGKILL if kill is _kill_parent else 1)
        eventually(lambda: not any(map(is_alive, processes)), seconds=5)
    stack.workers.clear()
    _both(stack)
    assert [_removed(one) for one in pending] == [MEDIUM, 3, LARGE]


def test_a_process_of_the_express_worker_that_is_killed_is_replaced(stack: ServerStack) -> None:
    worker = _both(stack)
    tenant = _tag(stack, MEDIUM, 3)
    with held_link(stack.store, IDS[0]):
        pending = [_send(stack, tenant, size) for size in (MEDIUM, 3)]
        wait_for_waiting(stack.store)
        for one in worker.members[1].children():
            one.kill()
        _do_small(stack)
    assert [_removed(one) for one in pending] == [MEDIUM, 3]
    assert not worker.ended


def test_without_express_there_is_one_worker_for_both(stack: ServerStack) -> None:
    worker = Command(stack, "tagsweep.producer.cli", "worker", "--express", "0")
    worker.wait_for(1)
    tenant = _tag(stack, 3, LARGE)
    assert [_removed(_send(stack, tenant, size)) for size in (3, LARGE)] == [3, LARGE]
    assert [name for name in _names(stack) if "express" in name] == []


def test_both_have_names_of_their_own(stack: ServerStack) -> None:
    _both(stack, "--hostname", "mine@here")
    assert eventually(lambda: len(found := _names(stack)) == 2 and found) == [
        "mine-express@here",
        "mine@here",
    ]


def test_large_jobs_give_way_where_both_share_processors(stack: ServerStack) -> None:
    command = psutil.Process(_both(stack).process.pid)
    large = command.nice() + lanes.NICER
    pools = {one.nice(): [each.nice() for each in one.children()] for one in command.children()}
    assert pools == {command.nice(): [command.nice()], large: [large]}


def test_doctor_tells_what_nobody_takes(stack: ServerStack) -> None:
    _express(stack)
    with configured(**stack.settings):
        wrong = [one for one in checks.findings() if one.is_wrong and one.about == "workers"]
    (finding,) = wrong
    assert f"takes from {SWEEPS}, {PARTS}" in finding.what
    assert f"-Q {SWEEPS},{PARTS}" in str(finding.advice)


def _names(stack: ServerStack) -> list[str]:
    with stack.caller() as app:
        replies: Any = app.control.ping(timeout=1)
    return sorted(name for reply in replies or () for name in reply)
