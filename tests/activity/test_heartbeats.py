"""The store knows which workers there are, and what each worked on last."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from tagsweep.worker import database
from tagsweep.worker.activity import heartbeats
from tagsweep.worker.activity.heartbeats import SILENT_S, Seen
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.broker.runtime.pool_process import Node
from tagsweep.worker.chunks import timings
from tagsweep.worker.doctor import workers
from tagsweep.worker.jobs import retention
from tagsweep.worker.models.tables import ago, chore
from tagsweep.worker.models.tables import heartbeat as table
from tagsweep.worker.tasks.recovery_turns import Alone, Turns
from tests.support import driving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import Store, new_ids

QUEUES = ("tagsweep", "tagsweep.sweep", "tagsweep.parts")


@pytest.fixture
def node(store: Store, monkeypatch: pytest.MonkeyPatch) -> Node:
    """This process is a worker."""
    assert store.outbox() == []
    own = Node("celery-1@here", QUEUES, 2)
    monkeypatch.setattr(pool_process, "nodes", [own])
    return own


def _known() -> list[Seen]:
    with database.reading() as connection:
        return heartbeats.read(connection)


def _count() -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize("turns", [Alone, lambda: Turns("w")], ids=["alone", "in turns"])
def test_whoever_looks_is_noted_once_a_minute_and_gone_at_its_end(
    node: Node, turns: Callable[[], Alone]
) -> None:
    looking = turns()
    looking.look()
    (one,) = _known()
    assert (one.name, one.queues, one.processes) == (node.name, QUEUES, 2)
    assert not one.is_silent
    assert (one.items, one.worked_at, one.job) == (0, None, None)
    for _ in range(3):
        looking.look()
    assert [each.seen_at for each in _known()] == [one.seen_at]
    looking.end()
    assert _known() == []


def test_a_worker_that_waits_for_its_turn_is_noted_too(node: Node) -> None:
    Turns("first").look()
    with database.transaction() as connection:
        heartbeats.end(connection, node.name)
    for name in ("second", "third"):
        Turns(name).look()
        assert [one.name for one in _known()] == [node.name]


def test_what_it_has_done_is_noted_with_the_last_job(
    node: Node, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timings, "EVERY_S", 0)
    timings.hand_in()
    Alone().look()
    jobs = []
    for number in (3, 4):
        job = driving.attach_job(tenant, ["t"], tables=new_ids(number))
        jobs.append(driving.record(job, at_once=True))
        timings.hand_in()
    (one,) = [one for one in _known() if one.name == node.name]
    assert (one.job, one.tenant, one.kind) == (jobs[-1], tenant, "attach")
    assert one.items >= 7
    assert one.worked_at


def test_one_that_was_killed_is_silent_then_forgotten(node: Node) -> None:
    Alone().look()
    assert {finding.is_wrong for finding in workers.seen()} == {False}
    for seconds, kept in ((SILENT_S + 1, 1), (retention.ACTIVITY_S + 1, 0)):
        with database.transaction() as connection:
            connection.execute(update(table).values(seen_at=ago(seconds)))
            connection.execute(update(chore).values(due_at=ago(1)))
        told = {finding.what: finding.advice for finding in workers.seen()}
        assert any(node.name in what for what in told)
        assert told["No worker was seen in the last 2.5 minutes."] == workers.START
        retention.keep()
        assert _count() == kept


def test_a_queue_that_nobody_takes_is_told(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_process, "nodes", [node._replace(queues=QUEUES[:1])])
    Alone().look()
    (wrong,) = [finding for finding in workers.seen() if finding.is_wrong]
    assert "tagsweep.sweep, tagsweep.parts" in wrong.what


@pytest.mark.slow
def test_workers_of_every_form_are_known_until_they_end(idle_stack: ServerStack) -> None:
    worker = idle_stack.start_worker()
    idle_stack.wait()
    eventually(lambda: len(_names(idle_stack)) == 1, seconds=30)
    worker.process.terminate()
    eventually(lambda: not _names(idle_stack), seconds=30)


def _names(stack: ServerStack) -> list[str]:
    with stack.store.transaction() as connection:
        return [one.name for one in heartbeats.read(connection)]
