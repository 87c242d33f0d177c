"""Workers killed with signal 9 in the middle of a job: it ends once, and the counts are true."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers import Postgres, Redis
from tests.support.locks import held_link, held_table, wait_for_waiting
from tests.support.stack import (
    Pending,
    ServerStack,
    Worker,
    eventually,
)
from tests.support.stores import attached, counts, new_ids

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.mapped]

IDS = sorted(new_ids(20_000, seed=3))
HELD = IDS[10_000]


@pytest.fixture
def stack(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis, tmp_path: Path
) -> Iterator[ServerStack]:
    """PostgreSQL, Redis and one worker, which the test may kill; small chunks."""
    database_url = postgres_server.create_database(postgres_template)
    stack = ServerStack("redis", tmp_path, database_url, redis_server.create_database())
    stack.settings |= {"chunk_size": 500, "visibility_s": 1}
    try:
        stack.start_worker().wait_until_ready()
        yield stack
        stack.store.check()
    finally:
        stack.close()
        postgres_server.drop_database(database_url)


@contextmanager
def _in_the_middle(stack: ServerStack, tenant: str) -> Iterator[Pending]:
    """Send a job; within the block, a worker is in the middle of one of its chunks."""
    stack.store.tag(tenant, "legacy", tables=IDS[::2])
    with held_link(stack.store, HELD):
        body = {"tenant": tenant, "names": ["legacy"], "tables": IDS}
        pending = stack.send("tags.detach", body)
        wait_for_waiting(stack.store)
        yield pending


def _check(stack: ServerStack, tenant: str, done: dict[str, Any]) -> None:
    """Assert that the job ended once, and that its counts are what left the store."""
    assert done["status"] == "succeeded"
    assert done["counts"] == counts(total=20_000, removed=10_000, absent=10_000)
    assert stack.store.links(tenant) == set()
    events = stack.events(done["job_id"])
    assert {event["id"] for event in events} == {f"{done['job_id']}.1"}
    assert all(event["data"] == done for event in events)
    assert stack.store.job(done["job_id"]).ends == 1


def _children(worker: Worker) -> list[psutil.Process]:
    return psutil.Process(worker.process.pid).children()


def test_a_job_outlives_a_killed_child(stack: ServerStack, tenant: str) -> None:
    (worker,) = stack.workers
    with _in_the_middle(stack, tenant) as pending:
        (child,) = _children(worker)
        child.kill()
    _check(stack, tenant, pending.get(timeout=60))
    assert not worker.ended
    assert child not in _children(worker)


@pytest.mark.mapped_core
def test_a_job_outlives_a_killed_worker(stack: ServerStack, tenant: str) -> None:
    with _in_the_middle(stack, tenant) as pending:
        stack.workers[0].kill()
    stack.start_worker()
    _check(stack, tenant, pending.get(timeout=60))


def test_a_run_of_a_preview_outlives_a_killed_worker(stack: ServerStack, tenant: str) -> None:
    stack.store.tag(tenant, "legacy", tables=IDS[::2])
    body = {"tenant": tenant, "names": ["legacy"], "tables": IDS, "dry_run": True}
    preview = stack.run("tags.detach", body)
    with held_link(stack.store, HELD):
        pending = stack.send("tags.run", {"tenant": tenant, "job": preview["job_id"]})
        wait_for_waiting(stack.store)
        stack.workers[0].kill()
    stack.start_worker()
    _check(stack, tenant, pending.get(timeout=60))


def test_an_undo_outlives_a_killed_worker(stack: ServerStack, tenant: str) -> None:
    stack.store.tag(tenant, "legacy", tables=IDS[::2])
    first = stack.run("tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": IDS})
    stack.store.tag(tenant, "legacy", tables=IDS[:5_000:2])
    with stack.store.transaction() as connection:
        # whoever puts a link there waits for the end of this
        tag_id = stack.store.tags(tenant)["legacy"].id
        stack.store.tables.link(connection, tag_id, "tables", [HELD])
        undo = stack.send("tags.undo", {"tenant": tenant, "job": first["job_id"]})
        wait_for_waiting(stack.store)
        stack.workers[0].kill()
        connection.rollback()
    stack.start_worker()
    done = undo.get(timeout=60)
    assert done["counts"] == attached(total=10_000, added=7_500, present=2_500)
    assert stack.store.job(undo.id).ends == 1
    assert {one for _, _, one in stack.store.links(tenant)} == set(IDS[::2])


def test_a_message_comes_back_whose_worker_died_before_it_was_recorded(
    stack: ServerStack, tenant: str
) -> None:
    with held_table(stack.store, "job"):
        pending = stack.send(
            "tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": IDS[:9]}
        )
        wait_for_waiting(stack.store)
        stack.workers[0].kill()
    stack.store.tag(tenant, "legacy", tables=IDS[:3])
    assert stack.store.job(pending.id) is None
    stack.start_worker()
    done = pending.get(timeout=60)
    assert done["counts"] == counts(total=9, removed=3, absent=6)


def test_a_worker_that_is_asked_to_stop_finishes_the_step_in_hand(
    stack: ServerStack, tenant: str
) -> None:
    (worker,) = stack.workers
    with _in_the_middle(stack, tenant) as pending:
        worker.process.terminate()
    eventually(lambda: worker.ended)
    assert worker.process.returncode == 0
    closed = [chunk for chunk in stack.store.chunks(pending.id) if chunk.state != "open"]
    assert closed
    stack.start_worker()
    _check(stack, tenant, pending.get(timeout=60))


def test_a_killed_worker_between_its_commit_and_the_event_leaves_it_to_another(
    stack: ServerStack, tenant: str
) -> None:
    stack.store.tag(tenant, "legacy")
    with held_table(stack.store, "feed"):
        pending = stack.send("tags.detach", {"tenant": tenant, "names": ["legacy"]})
        wait_for_waiting(stack.store)
        stack.workers[0].kill()
    assert stack.store.job(pending.id).status == "succeeded"
    stack.start_worker()
    done = pending.get(timeout=60)
    eventually(lambda: stack.store.outbox(pending.id)[0].position)
    events = stack.events(pending.id)
    assert events
    assert all(event == events[0] for event in events)
    assert events[0]["data"] == done
