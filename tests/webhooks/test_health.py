"""What ``doctor`` tells of webhooks: which fail or are off, and what nobody sends."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tagsweep.worker import database, settings
from tagsweep.worker.doctor import webhooks as doctor
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.models.tables import ago, delivery, webhook
from tagsweep.worker.webhooks import fanout, operations
from tests.support.receivers import Receiver
from tests.support.stack import eventually
from tests.webhooks.conftest import actor, end_job, make, sending

pytestmark = pytest.mark.usefixtures("hooks")

WELL = "Their secrets can be opened, and none fails."
DAY_S = 86_400


def _found() -> list[Finding]:
    return list(doctor.findings())


def _told() -> list[str]:
    return [finding.what for finding in _found()]


def _set(table: Any, **values: Any) -> None:
    with database.transaction() as connection:
        connection.execute(update(table).values(values))


def _enabled(tenant: str, webhook_id: UUID) -> bool:
    return bool(operations.show(tenant, webhook_id)["enabled"])


def test_where_there_is_no_webhook_nothing_is_told(receiver: Receiver, tenant: str) -> None:
    assert _found() == []
    make(receiver, tenant, "/a")
    assert _told() == [WELL]
    assert not _found()[0].is_wrong


@pytest.mark.slow
def test_a_webhook_that_fails_is_told_and_after_five_days_that_it_is_off(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    receiver.answers["/a"] = 503
    end_job(tenant)
    with sending():
        who = f"Webhook {webhook_id} of {tenant}"
        (failing,) = eventually(lambda: [one for one in _found() if "failing since" in one.what])
        assert failing.is_wrong
        assert failing.what.startswith(f"{who} has been failing since 20")
        assert f"`tagsweep webhooks deliveries {webhook_id}`" in str(failing.advice)
        assert _enabled(tenant, webhook_id)
        _set(webhook, failing_since=ago(5 * DAY_S + 1))
        end_job(tenant)
        eventually(lambda: not _enabled(tenant, webhook_id))
    (off,) = _found()
    assert off.is_wrong
    assert off.what == (f"{who} is switched off. It had failed for 5 days. Last: It answered 503.")
    assert f"`tagsweep webhooks enable {webhook_id}`" in str(off.advice)
    operations.change(actor(tenant), webhook_id, {"enabled": True})
    assert _told() == [WELL]


@pytest.mark.slow
def test_a_webhook_that_failed_for_less_than_five_days_stays_on(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    receiver.answers["/a"] = 503
    end_job(tenant)
    with sending():
        eventually(lambda: operations.show(tenant, webhook_id)["failing_since"])
        _set(webhook, failing_since=ago(5 * DAY_S - 600))
        before = len(receiver.requests)
        end_job(tenant)
        eventually(lambda: len(receiver.requests) > before + 1)
        assert _enabled(tenant, webhook_id)
        receiver.answers["/a"] = 204
        eventually(lambda: _told() == [WELL])


def test_a_webhook_that_somebody_switched_off_is_told(receiver: Receiver, tenant: str) -> None:
    webhook_id = make(receiver, tenant, "/a")
    operations.change(actor(tenant), webhook_id, {"enabled": False})
    assert _told() == [
        f"Webhook {webhook_id} of {tenant} is switched off. It was switched off by hand."
    ]


def test_that_there_are_more_than_it_names_is_told(receiver: Receiver, tenant: str) -> None:
    for number in range(doctor.MOST + 1):
        webhook_id = make(receiver, tenant, f"/{number}")
        operations.change(actor(tenant), webhook_id, {"enabled": False})
        assert _found()[-1].what.startswith("More webhooks") is (number == doctor.MOST)
    assert len(_found()) == doctor.MOST + 1
    assert "`tagsweep webhooks list`" in str(_found()[-1].advice)


def test_what_no_worker_tries_is_told_unless_its_webhook_is_off(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    end_job(tenant)
    end_job(tenant)
    fanout.run()
    assert _told() == [WELL]
    _set(delivery, due_at=ago(61))
    (late,) = _found()
    assert late.is_wrong
    assert late.what == "2 deliveries of webhooks wait untried for more than 60 s."
    assert "TAGSWEEP_SECRET_KEY" in str(late.advice)
    operations.change(actor(tenant), webhook_id, {"enabled": False})
    (off,) = _told()
    assert "switched off by hand" in off


def test_secrets_that_cannot_be_opened_are_told(
    receiver: Receiver, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    monkeypatch.setenv("TAGSWEEP_SECRET_KEY", "another-key-0123456789abcdef-0123456789abcdef")
    settings.load.cache_clear()
    (closed,) = _found()
    assert closed.is_wrong
    assert closed.what == (
        "The secrets of 1 of 1 webhooks cannot be opened: TAGSWEEP_SECRET_KEY is not the key that "
        f"the secret of webhook {webhook_id} was encrypted with."
    )
