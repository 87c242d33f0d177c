"""A message that takes its workers with it is given up after five redeliveries."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.tasks import accept, dead_letters
from tests.support import driving
from tests.support.stores import Store, counts, new_ids


class WorkerDied(BaseException):
    """As far as the store can tell, the process is gone."""


def _delivery(job_id: UUID, body: object, *, redelivered: bool) -> Delivery:
    return Delivery(
        task=DetachJob.task,
        task_id=str(job_id),
        args=(body,),
        kwargs={},
        redelivered=redelivered,
        reply_to=None,
        correlation_id=str(job_id),
    )


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins a job dies of it."""

    def die(*_: Any, **__: Any) -> None:
        raise WorkerDied

    monkeypatch.setattr(accept, "_accept", die)


@pytest.mark.usefixtures("deadly")
def test_after_five_redeliveries_the_job_ends_failed(store: Store, tenant: str) -> None:
    job_id, body = uuid4(), {"tenant": tenant, "names": ["legacy"]}
    for redelivered in (False, True, True, True, True, True):
        with pytest.raises(WorkerDied):
            accept.accept(DetachJob, _delivery(job_id, body, redelivered=redelivered))
    assert store.job(job_id) is None
    accept.accept(DetachJob, _delivery(job_id, body, redelivered=True))
    event = driving.event(job_id)
    assert event is not None
    assert event["id"] == f"{job_id}.1"
    assert event["data"]["status"] == "failed"
    assert event["data"]["tenant"] == tenant
    assert event["data"]["counts"] == counts()
    assert [error["code"] for error in event["data"]["errors"]] == ["gave_up"]
    accept.accept(DetachJob, _delivery(job_id, body, redelivered=True))
    assert len(store.outbox(job_id)) == 1


def test_a_message_that_comes_again_a_few_times_is_done(store: Store, tenant: str) -> None:
    ids = new_ids(2)
    store.tag(tenant, "legacy", tables=ids)
    job_id, body = uuid4(), {"tenant": tenant, "names": ["legacy"], "tables": ids}
    for redelivered in (True, True, True, True, True):
        accept.accept(DetachJob, _delivery(job_id, body, redelivered=redelivered))
    data = driving.finish(job_id)
    assert data["counts"] == counts(total=2, removed=2)
    assert len(store.outbox(job_id)) == 1


def test_a_job_that_has_begun_goes_on_though_its_message_is_given_up(
    store: Store, tenant: str
) -> None:
    ids = new_ids(4)
    store.tag(tenant, "legacy", tables=ids)
    driving.chunk_size(2)
    job_id, body = uuid4(), {"tenant": tenant, "names": ["legacy"], "tables": ids}
    for redelivered in (False, *[True] * 7):
        accept.accept(DetachJob, _delivery(job_id, body, redelivered=redelivered))
    assert store.job(job_id).status == "running"
    assert driving.finish(job_id)["counts"] == counts(total=4, removed=4)


def test_a_fault_that_nobody_expected_ends_the_job_at_its_fifth_time_and_is_told(
    store: Store, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("in the middle")

    monkeypatch.setattr(accept, "_accept", fail)
    job_id, body = uuid4(), {"tenant": tenant, "names": ["legacy"]}
    delivery = _delivery(job_id, body, redelivered=False)
    for given_up in (False, False, False, False, True):
        with pytest.raises(ZeroDivisionError) as raised:
            accept.accept(DetachJob, delivery)
        assert dead_letters.give_up(delivery, raised.value) is given_up
    event = driving.event(job_id)
    assert event is not None
    assert event["data"]["status"] == "failed"
    assert "ZeroDivisionError: in the middle" in event["data"]["errors"][0]["reason"]
    assert store.job(job_id).status == "failed"
