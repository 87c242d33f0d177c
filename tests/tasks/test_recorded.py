"""Sweeps split what is recorded: each tenant in turn, one job a slice, and no worker waits."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.broker import sending
from tagsweep.worker.errors import StoreBusy
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.tables import ago
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.tasks import recorded, start, sweep
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stores import Store, new_ids, new_tenant

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def _recorded(store: Store, tenant: str, how_many: int = 4) -> UUID:
    ids = new_ids(how_many)
    store.tag(tenant, "legacy", tables=ids)
    return driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))


def _statuses(store: Store, *job_ids: UUID) -> list[str]:
    return [store.job(one).status for one in job_ids]


def test_a_sweep_splits_one_job_and_continues_those_that_run(store: Store, redis_url: str) -> None:
    driving.chunk_size(2)
    running = _recorded(store, new_tenant(), 2)
    driving.split(running)
    waiting = [_recorded(store, new_tenant()) for _ in range(3)]
    with configured(database_url=store.url, broker_url=redis_url, chunk_size=2):
        sweep.run()
        assert sending.sweeps_waiting() > 0
    assert _statuses(store, *waiting).count("queued") == 2
    assert store.job(running).status == "succeeded"


def test_tenants_take_turns_at_being_split(store: Store) -> None:
    driving.chunk_size(2)
    many, few = new_tenant(), new_tenant()
    first, *rest = [_recorded(store, many) for _ in range(4)]
    last = _recorded(store, few)
    assert recorded.split_next()
    driving.step()
    assert recorded.split_next()
    assert _statuses(store, first, last, *rest) == ["running"] * 2 + ["queued"] * 3


def test_a_job_that_is_being_split_is_passed_over(postgres_store: Store) -> None:
    first, second = (_recorded(postgres_store, new_tenant()) for _ in range(2))
    with database.transaction() as connection:
        queries.lock(connection, first)
        start.start_recorded(first)  # a message that comes now has nothing to wait for
        assert recorded.split_next()
        assert not recorded.split_next()
        assert _statuses(postgres_store, first, second) == ["queued", "succeeded"]


@pytest.mark.parametrize("error", [StoreBusy, RuntimeError])
def test_a_job_that_cannot_be_split_holds_up_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    first, second = (_recorded(store, new_tenant()) for _ in range(2))
    whole = start.start_recorded

    def fail(job_id: UUID) -> None:
        if job_id == first:
            raise error
        whole(job_id)

    monkeypatch.setattr(start, "start_recorded", fail)
    assert not recorded.split_next()
    driving.due_in(3600)
    assert recorded.split_next()
    assert _statuses(store, first, second) == ["queued", "succeeded"]
    assert store.job(first).waiting
    monkeypatch.undo()
    driving.due_in(-1)
    assert recorded.split_next()
    assert _statuses(store, first) == ["succeeded"]


def test_a_job_that_may_be_withdrawn_is_left_to_whoever_recorded_it(store: Store) -> None:
    job_id = _recorded(store, new_tenant())
    this = update(jobs).where(jobs.c.id == job_id)
    with database.transaction() as connection:
        connection.execute(this.values(nonce="its gateway's"))
    assert not recorded.split_next()
    with database.transaction() as connection:  # its gateway has died
        connection.execute(this.values(accepted_at=ago(60)))
    assert recorded.split_next()
    assert store.job(job_id).status != "queued"
