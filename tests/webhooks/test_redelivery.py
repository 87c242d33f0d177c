"""Everything since a time is sent to a webhook once more: exactly that, and to nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from tagsweep.worker.jobs import retention
from tagsweep.worker.models.tables import ago, chore, outbox
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.webhooks import fanout, operations
from tests.support.cli import CommandLine
from tests.support.gateway import SECRET_KEY
from tests.support.receivers import Receiver
from tests.support.stack import eventually
from tests.support.stores import Store
from tests.webhooks.conftest import actor, end_job, log, make, sending, settled

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
TICK = timedelta(milliseconds=1)


def _written(store: Store, event_id: str, moment: datetime) -> None:
    """Have an event that was written at this moment."""
    this = outbox.c.job_id == UUID(event_id.removesuffix(".1"))
    with store.transaction() as connection:
        connection.execute(update(outbox).where(this).values(created_at=moment))


def _again(tenant: str, webhook_id: UUID, moment: datetime) -> int:
    return operations.redeliver_since(actor(tenant), webhook_id, moment)


def test_the_moment_itself_is_among_it_in_whatever_order_events_came_into_the_feed(
    hooks: Store, receiver: Receiver, tenant: str
) -> None:
    at, later, before = (end_job(tenant) for _ in range(3))  # their order in the feed
    for event_id, moment in ((at, MOMENT), (later, MOMENT + TICK), (before, MOMENT - TICK)):
        _written(hooks, event_id, moment)
    webhook_id = make(receiver, tenant, "/late")  # it has got none of them
    for moment, expected in (
        (MOMENT + 2 * TICK, set()),
        (MOMENT + TICK, {later}),
        (MOMENT.astimezone().replace(microsecond=0), {at, later}),
    ):
        assert _again(tenant, webhook_id, moment) == len(expected)
        assert set(log(tenant, webhook_id)) == expected
    assert _again(tenant, webhook_id, MOMENT - TICK) == 3


@pytest.mark.usefixtures("hooks")
def test_only_this_webhook_gets_only_its_tenants_events_of_its_kinds(
    receiver: Receiver, tenant: str
) -> None:
    another = f"{tenant}-b"
    wanted, theirs = end_job(tenant), end_job(another)
    mine = make(receiver, tenant, "/mine")
    beside = make(receiver, tenant, "/beside")
    foreign = make(receiver, another, "/foreign")
    merges = make(receiver, tenant, "/merges", kinds=["merge"])
    assert _again(tenant, mine, MOMENT) == 1
    assert _again(tenant, merges, MOMENT) == 0
    assert set(log(tenant, mine)) == {wanted}
    assert log(tenant, beside) == log(another, foreign) == log(tenant, merges) == {}
    assert _again(another, foreign, MOMENT) == 1
    assert set(log(another, foreign)) == {theirs}


def _has(receiver: Receiver, events: list[str]) -> bool:
    return receiver.ids("/a") == events


@pytest.mark.slow
@pytest.mark.usefixtures("hooks")
def test_twice_the_same_is_sent_twice_and_logged_as_the_same_delivery(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    event_id = end_job(tenant)
    with sending():
        for times in (1, 2, 3):
            if times > 1:
                assert _again(tenant, webhook_id, MOMENT) == 1
            eventually(partial(_has, receiver, [event_id] * times))
            (row,) = settled(tenant, webhook_id).values()
            assert len(row["attempts"]) == times
    assert receiver.forged == []


def test_what_is_no_longer_kept_is_not_sent_and_the_rest_is(
    hooks: Store, receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    old, new = end_job(tenant), end_job(tenant)
    fanout.run()
    with hooks.transaction() as connection:
        this = jobs.c.id == UUID(old.removesuffix(".1"))
        connection.execute(update(jobs).where(this).values(finished_at=ago(91 * 86_400)))
        connection.execute(update(chore).values(due_at=ago(1)))
    retention.keep()
    with hooks.transaction() as connection:
        left = connection.execute(select(outbox.c.job_id)).scalars().all()
    assert left == [UUID(new.removesuffix(".1"))]
    assert _again(tenant, webhook_id, MOMENT - timedelta(days=365)) == 1


@pytest.mark.slow
def test_the_command_takes_a_time_or_how_long_ago(
    hooks: Store, receiver: Receiver, tenant: str, tmp_path: Path
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    event_id = end_job(tenant)
    _written(hooks, event_id, datetime.now(UTC) - timedelta(hours=2))
    command = CommandLine(tmp_path, database_url=hooks.url, secret_key=SECRET_KEY)
    for since, count in (("1h", 0), ("3h", 1), ("2026-01-31T12:00:00+14:00", 1)):
        done = command("webhooks", "redeliver", webhook_id, "--since", since, "--json")
        assert (done.status, done.json) == (0, {"count": count}), done.err
    for arguments, words in (
        (("--since", "soon"), "--since 'soon': give a time"),
        ((), "Give the id of an EVENT, or --since."),
        ((event_id, "--since", "1h"), "Give the id of an EVENT, or --since."),
    ):
        refused = command("webhooks", "redeliver", webhook_id, *arguments)
        assert (refused.status, refused.out) == (2, "")
        assert words in refused.err
