"""Items a minute: counted where they are done, kept for a while, read at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tagsweep.worker.activity import throughput
from tagsweep.worker.activity.throughput import MINUTE, MINUTES
from tagsweep.worker.chunks import timings
from tagsweep.worker.jobs import retention
from tagsweep.worker.models.tables import chore, clock
from tagsweep.worker.models.tables import throughput as table
from tests.support import driving
from tests.support.stores import Store, new_ids, new_tenant


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Hand in what was counted as often as a test asks for it; nothing is left of another test."""
    assert store.outbox() == []
    monkeypatch.setattr(timings, "EVERY_S", 0)
    timings.hand_in()


def _totals(store: Store, tenant: str | None) -> dict[str, int]:
    with store.transaction() as connection:
        hour = throughput.read(connection, tenant)
    return {kind: sum(items) for kind, items in hour.items.items()}


def test_items_of_jobs_large_and_small_count_in_this_minute(store: Store, tenant: str) -> None:
    ids = new_ids(30)
    store.tag(tenant, "t", tables=ids)
    driving.chunk_size(10)
    driving.finish(driving.opened(driving.detach_job(tenant, ["t"], tables=ids)))
    driving.record(driving.attach_job(tenant, ["u"], tables=ids[:5]), at_once=True)
    timings.hand_in()
    assert _totals(store, tenant) == {"attach": 5, "detach": 30}
    driving.record(driving.attach_job(tenant, ["u"], tables=ids[:2]), at_once=True)
    timings.hand_in()
    assert _totals(store, tenant) == {"attach": 7, "detach": 30}
    with store.transaction() as connection:
        hour = throughput.read(connection, tenant)
    assert sum(sum(items[-2:]) for items in hour.items.values()) == 37
    assert all(len(items) == MINUTES for items in hour.items.values())


def test_a_tenant_sees_its_own_and_an_admin_the_sum(store: Store, tenant: str) -> None:
    other = new_tenant()
    for each, number in ((tenant, 3), (other, 4)):
        job = driving.attach_job(each, ["u"], tables=new_ids(number))
        driving.record(job, at_once=True)
    timings.hand_in()
    assert _totals(store, tenant) == {"attach": 3}
    assert _totals(store, other) == {"attach": 4}
    assert _totals(store, None) == {"attach": 7}
    assert _totals(store, new_tenant()) == {}


def _put(store: Store, tenant: str, minutes_ago: float) -> None:
    """Put one item into the minute so long ago."""
    with store.transaction() as connection:
        now = connection.execute(select(clock())).scalar_one()
        then = (now - minutes_ago * MINUTE).replace(second=0, microsecond=0)
        row = {"tenant": tenant, "kind": "detach", "minute": then, "items": 1}
        connection.execute(table.insert(), row)


def test_what_is_older_than_an_hour_is_not_shown_and_later_deleted(
    store: Store, tenant: str
) -> None:
    for minutes in (0, 30, 58, 61, 119, 125):
        _put(store, tenant, minutes)
    assert _totals(store, tenant) == {"detach": 3}
    with store.transaction() as connection:
        now = connection.execute(select(clock())).scalar_one()
        connection.execute(update(chore).values(due_at=now - timedelta(days=1)))
    retention.keep()
    with store.transaction() as connection:
        left = connection.execute(select(func.count()).select_from(table)).scalar_one()
    assert left == 5
