"""What is kept of webhooks: deliveries for a while, secrets encrypted with the newest key."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select, update

from tagsweep.worker import database, settings
from tagsweep.worker.jobs import retention
from tagsweep.worker.models.tables import ago, chore, delivery, webhook
from tagsweep.worker.webhooks import fanout, operations, resealing, signing
from tests.support.gateway import SECRET_KEY
from tests.support.receivers import Receiver
from tests.support.stores import Store
from tests.webhooks.conftest import actor, end_job, log, make

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
NEWER = "a-newer-key-0123456789abcdef-0123456789abcdef"


@pytest.mark.slow
def test_deliveries_are_kept_as_long_as_jobs_whatever_became_of_them(
    hooks: Store, receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    old, new = end_job(tenant), end_job(tenant)
    fanout.run()
    for days, left in ((89, {old, new}), (91, {new})):
        with hooks.transaction() as connection:
            this = delivery.c.event_id == old
            connection.execute(update(delivery).where(this).values(created_at=ago(days * 86_400)))
            connection.execute(update(chore).values(due_at=ago(1)))
        retention.keep()
        assert set(log(tenant, webhook_id)) == left


def test_all_secrets_are_encrypted_with_the_newest_key(
    hooks: Store, receiver: Receiver, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    operations.rotate(actor(tenant), webhook_id, {})
    operations.rotate(actor(tenant), None, {})
    monkeypatch.setenv("TAGSWEEP_SECRET_KEY", f"{NEWER},{SECRET_KEY}")
    settings.load.cache_clear()
    assert resealing.seal_all_again() == 3
    assert resealing.seal_all_again() == 0
    monkeypatch.setenv("TAGSWEEP_SECRET_KEY", NEWER)
    settings.load.cache_clear()
    with hooks.transaction() as connection:
        row = connection.execute(select(webhook).where(webhook.c.id == webhook_id)).one()
    current, previous = signing.secrets_of(row.id, row.sealed_secret, row.sealed_previous)
    assert previous == receiver.secrets["/a"][0]
    assert current.encode() not in row.sealed_secret


def test_where_a_tenant_has_no_webhook_nothing_is_made_of_its_events(
    hooks: Store, receiver: Receiver, tenant: str
) -> None:
    make(receiver, tenant, "/a")
    end_job("another")
    assert not fanout.run()
    with hooks.transaction() as connection:
        assert connection.execute(select(delivery)).all() == []
    with database.reading() as connection:
        assert fanout.any_webhook(connection)


@pytest.mark.usefixtures("hooks")
def test_what_ends_a_job_reads_and_writes_nothing_of_webhooks(
    receiver: Receiver, tenant: str
) -> None:
    make(receiver, tenant, "/a")
    said: list[str] = []

    def listen(_: object, __: object, statement: str, *___: object) -> None:
        said.append(statement)

    event.listen(database.engine(), "before_cursor_execute", listen)
    end_job(tenant)
    assert any("outbox" in statement for statement in said)
    assert not any("webhook" in statement for statement in said)
