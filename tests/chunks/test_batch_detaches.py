"""Detaches that are matched and applied at once come to what they come to one after the other."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import Connection, delete, text

from tagsweep.worker import database
from tagsweep.worker.chunks import batch_matching, batches
from tagsweep.worker.chunks.batches import Done
from tagsweep.worker.database import sessions
from tagsweep.worker.errors import StoreBusy
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.store.batches import detach_by_name
from tests.support import driving
from tests.support.stores import Store, new_ids

pytestmark = pytest.mark.integration

Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Return what has a step done between the two statements, which are sent one by one."""

    def between(step: Callable[[], object]) -> None:
        real = detach_by_name.detach

        def late(connection: Connection, work: object) -> object:
            step()
            return real(connection, work)  # type: ignore[arg-type]  # as it came

        monkeypatch.setattr(sessions, "is_pooled", lambda _: True)
        monkeypatch.setattr(detach_by_name, "detach", late)

    return between


def _order(job: Job) -> NewJob:
    return NewJob(uuid4(), job, job.fingerprint())


def _apply(*orders: NewJob) -> Done:
    with database.transaction() as connection:
        assert batch_matching.of_detaches(connection, orders)  # or this is about something else
        return batches.apply(connection, orders)


def test_a_job_that_is_withdrawn_meanwhile_loses_nothing(
    postgres_store: Store, tenant: str, meanwhile: Meanwhile
) -> None:
    ids = new_ids(2)
    postgres_store.tag(tenant, "old", tables=ids)
    taken, other = (_order(driving.detach_job(tenant, ["old"], tables=[one])) for one in ids)
    driving.record(taken.job, taken.job_id)

    def withdraw() -> None:
        with postgres_store.engine.begin() as connection:
            connection.execute(delete(jobs).where(jobs.c.id == taken.job_id))

    meanwhile(withdraw)
    with pytest.raises(StoreBusy):
        _apply(taken, other)
    assert postgres_store.links(tenant) == {("old", "tables", one) for one in ids}


def test_a_link_that_is_attached_meanwhile_stays(
    postgres_store: Store, tenant: str, meanwhile: Meanwhile
) -> None:
    early, late = new_ids(2)
    postgres_store.tag(tenant, "old", tables=[early])
    meanwhile(lambda: postgres_store.tag(tenant, "old", tables=[late]))
    order = _order(driving.detach_job(tenant, ["old"], tables=[early, late]))
    ended = _apply(order).ended[order.job_id]
    assert (ended.job.changed, ended.job.absent) == (1, 1)
    assert postgres_store.links(tenant) == {("old", "tables", late)}


def test_a_tag_that_is_renamed_meanwhile_is_not_told_of(
    postgres_store: Store, tenant: str, meanwhile: Meanwhile
) -> None:
    ids = new_ids(1)
    postgres_store.tag(tenant, "old", tables=ids)

    def rename() -> None:
        with postgres_store.engine.begin() as connection:
            renamed = text("UPDATE tag SET name = 'new' WHERE tenant = :tenant")
            connection.execute(renamed, {"tenant": tenant})

    meanwhile(rename)
    order = _order(driving.detach_job(tenant, ["old"], tables=ids))
    ended = _apply(order).ended[order.job_id]
    assert ended.job.matched == []
    assert [one["path"] for one in ended.job.warnings or []] == ["/names/0"]
    assert postgres_store.links(tenant) == {("new", "tables", ids[0])}


def test_jobs_of_several_tenants_take_their_own_alone(postgres_store: Store, tenant: str) -> None:
    ids, other = new_ids(3), f"{tenant}-2"
    for one in (tenant, other):
        postgres_store.tag(one, "old", tables=ids, folders=ids)
        postgres_store.tag(one, "kept", tables=ids)
    orders = [
        _order(driving.detach_job(tenant, ["old", "none"], tables=ids[:2], folders=ids[2:])),
        _order(driving.detach_job(other, ["old", "kept"], tables=ids[1:])),
        _order(driving.detach_job(tenant, ["old"], tables=ids)),
    ]
    done = _apply(*orders)
    told = [done.ended[one.job_id].job for one in orders]
    assert [(one.total, one.changed, one.absent) for one in told] == [
        (3, 3, 0),
        (4, 4, 0),
        (3, 1, 2),
    ]
    assert postgres_store.links(tenant) == {
        *(("kept", "tables", one) for one in ids),
        *(("old", "folders", one) for one in ids[:2]),
    }
    assert postgres_store.links(other) == {
        *(("kept", "tables", one) for one in ids[:1]),
        *(("old", "tables", one) for one in ids[:1]),
        *(("old", "folders", one) for one in ids),
    }
