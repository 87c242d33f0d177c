"""Callbacks are sent at least once, whatever dies, each time under the same id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from celery.app.task import Context

from tagsweep.worker.broker import canvas
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.events import relay
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.tasks import accept, dead_letters, sweep
from tests.chaos import boundaries
from tests.servers import Postgres, Redis
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stores import Store, new_ids

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
MOST_BOUNDARIES = 400


class Caller:
    """A store and a Redis that this process works on, and the messages for another service."""

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.url = store, url

    def delivery(self, tenant: str, *, redelivered: bool = False, job_id: str = "") -> Delivery:
        """Return the message of a job with one link, a callback and an errback hanging on it."""
        job_id = job_id or str(uuid4())
        signature: dict[str, Any] = {
            "args": [],
            "kwargs": {},
            "options": {"queue": "customer"},
            "subtask_type": None,
            "immutable": False,
        }
        hung = canvas.take_off(
            Context(
                id=job_id,
                callbacks=[{**signature, "task": "done"}, {**signature, "task": "also"}],
                errbacks=[{**signature, "task": "failed"}],
            )
        )
        body = {"tenant": tenant, "names": ["legacy"], "tables": new_ids(1, seed=1)}
        return Delivery(DetachJob.task, job_id, (body,), {}, redelivered, None, job_id, hung=hung)

    def sent(self, job_id: str) -> list[tuple[str, str]]:
        """Return task and id of what was sent to the other service under a job."""
        with redis.Redis.from_url(self.url) as client:
            raw: Any = client.lrange("customer", 0, -1)
        found = [json.loads(one)["headers"] for one in raw]
        return [(one["task"], one["id"]) for one in found if one["root_id"] == job_id]

    def results(self, job_id: str) -> Any:
        """Return what is stored as the job's answer."""
        with redis.Redis.from_url(self.url) as client:
            return client.get(f"celery-task-meta-{job_id}")


@pytest.fixture
def caller(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis
) -> Iterator[Caller]:
    """A store and a broker of this test alone, which this process works on."""
    database_url = postgres_server.create_database(postgres_template)
    url = redis_server.create_database()
    with configured(database_url=database_url, broker_url=url):
        store = Store(database_url)
        yield Caller(store, url)
        store.close()
    postgres_server.drop_database(database_url)


def _recover() -> None:
    driving.recovered()
    while sweep.apply_next():
        pass
    relay.deliver()


@pytest.mark.chaos
def test_a_crash_at_any_boundary_loses_no_callback_and_changes_no_id(
    caller: Caller, tenant: str
) -> None:
    caller.store.tag(tenant, "legacy", tables=new_ids(1, seed=1))
    for number in range(1, MOST_BOUNDARIES):
        delivery, crashed = caller.delivery(tenant), False
        with boundaries.at(number, boundaries.die):
            try:
                accept.accept(DetachJob, delivery)
            except boundaries.Died:
                crashed = True
        accept.accept(DetachJob, caller.delivery(tenant, redelivered=True, job_id=delivery.task_id))
        _recover()
        sent = caller.sent(delivery.task_id)
        assert {task for task, _ in sent} == {"done", "also"}, f"at boundary {number}"
        assert len(set(sent)) == 2, f"at boundary {number}: {sent}"
        if not crashed:
            assert number > 10
            assert len(sent) == 2
            return
    pytest.fail(f"more than {MOST_BOUNDARIES} boundaries")


def test_a_job_that_is_given_up_calls_the_errback(caller: Caller, tenant: str) -> None:
    delivery = caller.delivery(tenant)
    dead_letters.fail(UUID(delivery.task_id), "It cannot be done.", delivery)
    ((task, _),) = caller.sent(delivery.task_id)
    assert task == "failed"
    assert b"JobFailed" in caller.results(delivery.task_id)


def test_the_result_is_stored_first_and_a_callback_that_cannot_be_sent_is_tried_again(
    caller: Caller, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = caller.delivery(tenant)
    job = DetachJob.parse(delivery.body)
    job_id = driving.record(job, UUID(delivery.task_id))
    with monkeypatch.context() as patch:
        patch.setattr(canvas, "_send", _refuse)
        accept.accept(DetachJob, delivery)
        assert b"SUCCESS" in caller.results(delivery.task_id)
        assert not caller.sent(delivery.task_id)
        (row,) = caller.store.outbox(job_id)
        assert row.published_at
        assert not row.answered_at
        # others that ended are told all the same
        other = driving.record(driving.detach_job(tenant, []))
        driving.split(other, at_once=True)
        relay.deliver()
        assert caller.store.outbox(other)[0].answered_at
    relay.deliver()
    assert len(caller.sent(delivery.task_id)) == 2
    assert caller.store.outbox(job_id)[0].answered_at


def _refuse(*_: object, **__: object) -> None:
    raise ConnectionError("the queue takes nothing")
