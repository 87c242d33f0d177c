"""What is kept too long goes, a little at a time, and nothing else does."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from tagsweep.worker import database
from tagsweep.worker.errors import NothingToRetry
from tagsweep.worker.events import feed, relay
from tagsweep.worker.jobs import control, retention
from tagsweep.worker.models.tables import (
    attempt,
    chore,
    chunk,
    job,
    link_change,
    metadata,
    set_aside,
    workspace_tag_change,
)
from tests.support import driving
from tests.support.stores import Store, new_ids

OWN = {"feed", "throttle", "alarm", "chore", "lease"}


def _ended(store: Store, tenant: str, days_ago: float) -> UUID:
    """Do a small job of each kind of table, and let it have ended so long ago."""
    ids = new_ids(30, seed=1)
    store.tag(tenant, "t", tables=ids)
    driving.chunk_size(10)
    job_id = driving.opened(driving.detach_job(tenant, ["t"], tables=ids))
    driving.finish(job_id)
    relay.deliver(job_id)
    _age(store, job_id, days_ago)
    return job_id


def _age(store: Store, job_id: UUID, days: float) -> None:
    moment = datetime.now().astimezone() - timedelta(days=days)
    with store.transaction() as connection:
        connection.execute(update(job).where(job.c.id == job_id).values(finished_at=moment))


def _keep(store: Store) -> None:
    """Look as often as there is something, whatever the time."""
    for _ in range(20):
        with store.transaction() as connection:
            connection.execute(update(chore).values(due_at=_long_ago()))
        retention.keep()


def _rows(store: Store) -> dict[str, int]:
    with store.transaction() as connection:
        counted = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table.name not in OWN
        }
    return {name: number for name, number in counted.items() if number}


def test_what_a_job_removed_is_kept_for_thirty_days(store: Store, tenant: str) -> None:
    old, young = _ended(store, tenant, 30.1), _ended(store, tenant, 29.9)
    _keep(store)
    assert store.job(old).forgotten_at
    assert store.job(young).forgotten_at is None
    assert _count(store, link_change, old) == _count(store, chunk, old) == 0
    assert _count(store, link_change, young) == _count(store, chunk, young) == 3
    assert len(store.outbox(old)) == 1


def test_a_job_is_kept_for_ninety_days_with_its_event(store: Store, tenant: str) -> None:
    old, young = _ended(store, tenant, 90.1), _ended(store, tenant, 89.9)
    _keep(store)
    assert store.job(old) is None
    assert store.outbox(old) == []
    assert store.job(young).status == "succeeded"
    with store.transaction() as connection:
        known = feed.bounds(connection)
        assert (known.first, known.last) == (1, 2)


def test_who_asked_for_a_job_is_all_that_is_left_of_it(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w", {"env": "dev"})
    before = _rows(store)
    job_id = driving.opened(driving.delete_job(tenant, ["w", "nowhere"], "env", "none"))
    driving.finish(job_id)
    relay.deliver(job_id)
    with store.transaction() as connection:
        connection.execute(
            attempt.insert(), {"task_id": "x", "attempts": 1, "seen_at": _long_ago()}
        )
        row = {"id": job_id, "task": "t", "task_id": "x", "reason": "r", "body": "b"}
        connection.execute(set_aside.insert(), {**row, "received_at": _long_ago()})
    assert _count(store, workspace_tag_change, job_id) == 1
    _age(store, job_id, 100)
    _keep(store)
    left = {name: number for name, number in before.items() if name != "workspace_tag"}
    assert _rows(store) == {**left, "audit_entry": 1}


def _long_ago() -> datetime:
    return datetime.now().astimezone() - timedelta(days=91)


def test_an_event_that_nobody_was_told_keeps_its_job(store: Store, tenant: str) -> None:
    store.tag(tenant, "t")
    job_id = driving.record(driving.detach_job(tenant, ["t"]))
    driving.run_recorded(job_id)
    _age(store, job_id, 100)
    _keep(store)
    assert store.job(job_id).status == "succeeded"
    relay.deliver(job_id)
    _keep(store)
    assert store.job(job_id) is None


def test_a_job_that_is_not_ended_is_kept(store: Store, tenant: str) -> None:
    store.tag(tenant, "t")
    job_id = driving.opened(driving.detach_job(tenant, ["t"], tables=new_ids(3)))
    _age(store, job_id, 100)
    _keep(store)
    assert store.job(job_id).status == "running"


def test_what_is_forgotten_is_not_done_again(store: Store, tenant: str) -> None:
    store.tag(tenant, "t", tables=new_ids(3))
    job_id = driving.opened(driving.delete_job(tenant, ["nowhere"], "env"))
    assert driving.finish(job_id)["status"] == "partial"
    _age(store, job_id, 31)
    _keep(store)
    with (
        pytest.raises(NothingToRetry, match="expired"),
        database.transaction() as connection,
    ):
        control.retry(connection, job_id)


def test_one_look_a_minute_whoever_looks(store: Store, tenant: str) -> None:
    retention.keep()
    job_id = _ended(store, tenant, 100)
    retention.keep()
    assert store.job(job_id).forgotten_at is None


@pytest.mark.slow
def test_ten_at_once_do_no_harm(postgres_store: Store, tenant: str) -> None:
    old = [_ended(postgres_store, tenant, 100) for _ in range(5)]
    young = _ended(postgres_store, tenant, 1)
    looks = [threading.Thread(target=_look) for _ in range(10)]
    for look in looks:
        look.start()
    for look in looks:
        look.join()
    assert [postgres_store.job(one) for one in old] == [None] * 5
    assert _count(postgres_store, chunk, young) == 3


def _look() -> None:
    while retention._forget() or retention._delete():
        pass


def _count(store: Store, table: Any, job_id: UUID) -> int:
    query = select(func.count()).select_from(table).where(table.c.job_id == job_id)
    with store.transaction() as connection:
        return int(connection.execute(query).scalar_one())
