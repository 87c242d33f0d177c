"""What somebody does while a delivery is being sent: neither is lost, and nothing goes twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.models.tables import webhook
from tagsweep.worker.webhooks import fanout, operations, schedule
from tagsweep.worker.webhooks.schedule import Attempt
from tests.support.receivers import Receiver
from tests.support.stores import Store
from tests.webhooks.conftest import actor, end_job, log, make

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def _claimed(webhook_id: UUID) -> list[Any]:
    with database.transaction() as connection:
        return list(schedule.claim(connection, webhook_id, 4))


def _noted(row: Any, reason: str | None = None) -> None:
    attempt = Attempt(at="2026-01-31T12:00:00Z", seconds=0.1, status=None, reason=reason)
    with database.transaction() as connection:
        schedule.note(connection, row, attempt)


@pytest.mark.parametrize("reason", [None, "It answered 503."])
def test_what_is_asked_for_again_while_it_is_being_sent_is_sent_again(
    hooks: Store, receiver: Receiver, tenant: str, reason: str | None
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    event_id = end_job(tenant)
    fanout.run()
    (row,) = _claimed(webhook_id)
    operations.redeliver(actor(tenant), webhook_id, event_id)
    _noted(row, reason)
    assert log(tenant, webhook_id)[event_id]["state"] == "waiting"
    with hooks.transaction() as connection:
        connection.execute(update(webhook).values(probe_at=None))
    (again,) = _claimed(webhook_id)
    assert (again.event_id, again.tries) == (event_id, 0)  # a schedule of its own
    _noted(again)
    assert log(tenant, webhook_id)[event_id]["state"] == "delivered"


@pytest.mark.usefixtures("hooks")
def test_what_is_being_sent_is_not_sent_twice_where_its_webhook_is_switched_on(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    event_id = end_job(tenant)
    fanout.run()
    (row,) = _claimed(webhook_id)
    for enabled in (False, True):
        operations.change(actor(tenant), webhook_id, {"enabled": enabled})
    assert _claimed(webhook_id) == []
    _noted(row)
    assert log(tenant, webhook_id)[event_id]["state"] == "delivered"
