"""The first page: what runs, the last hour, and for an admin the workers and what is wrong."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from tagsweep.producer.gateway.console.presentation.chart import HEIGHT, Chart
from tagsweep.worker.activity import heartbeats
from tagsweep.worker.activity.throughput import MINUTES, LastHour
from tagsweep.worker.models.tables import heartbeat
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended
from tests.support.stack import eventually
from tests.support.stores import new_ids, new_tenant


def _attach(gateway: Gateway, tenant: str, number: int) -> None:
    with gateway.client(tenant) as client:
        body = {"kind": "attach", "names": ["t"], "tables": new_ids(number)}
        ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])


def _text(person: Person) -> str:
    """Return the page as one line of words."""
    page = person.get("/console/")
    assert page.status_code == 200, page.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def test_the_items_of_the_last_hour_are_those_of_the_tenant(redis_gateway: Gateway) -> None:
    own, other, none = new_tenant(), new_tenant(), new_tenant()
    _attach(redis_gateway, own, 37)
    _attach(redis_gateway, other, 41)
    with signed_in(redis_gateway, own) as person:
        eventually(lambda: "Items done 37 " in _text(person), seconds=30)
        text = _text(person)
        assert "Items a second, by minute" in text
        assert "attach t" in text
        assert "Workers" not in text
        assert "What to see to" not in text
        assert "Chunks waiting" not in text
    with signed_in(redis_gateway, none) as person:
        assert "Nothing was done." in _text(person)


def test_an_admin_sees_workers_what_each_did_last_and_findings(
    gateway: Gateway, tenant: str
) -> None:
    _attach(gateway, tenant, 1_200)  # more than the gateway does itself
    with signed_in(gateway, "", admin=True) as admin:
        eventually(lambda: f" of {tenant}, " in _text(admin), seconds=30)
        text = _text(admin)
        assert "Chunks waiting" in text
        assert "What to see to" in text
        assert "The store at" in text


@pytest.mark.slow
def test_what_is_wrong_is_told_with_its_remedy(idle_gateway: Gateway) -> None:
    """No worker is there."""
    name = "celery@<img src=x>"
    with idle_gateway.store.transaction() as connection:
        heartbeats.beat(connection, name, ["tagsweep"], 2)
        long_ago = datetime.now(UTC) - timedelta(minutes=9)
        connection.execute(heartbeat.update().values(seen_at=long_ago))
    with signed_in(idle_gateway, "", admin=True) as admin:
        text = _text(admin)
        assert "No worker was seen in the last 2.5 minutes. Start one: tagsweep worker" in text
        assert f"{name} silent" in text
        assert name not in admin.get("/console/").text


def test_a_chart_has_a_bar_a_minute_and_a_table_beside_it() -> None:
    start = datetime(2026, 1, 31, 11, 1, tzinfo=UTC)
    now = start + timedelta(minutes=MINUTES - 1, seconds=30)
    items = {"attach": [0] * 58 + [600, 300], "detach": [1_200] + [0] * 58 + [60]}
    chart = Chart(LastHour(start, now, items))
    bars = list(chart.bars())
    assert [bar.rate for bar in bars if bar.rate] == [20, 10, 6]
    assert [bar.height for bar in bars if bar.rate] == [HEIGHT, HEIGHT / 2, 30]
    assert len(bars) == MINUTES
    assert bars[-1].at == now - timedelta(seconds=30)
    assert chart.total == 2_160
    assert chart.now == (600 + 300 + 60) / 90
    rows = list(chart.rows())
    assert [sum(done.values()) for _, _, done in rows] == [1_200, 0, 0, 0, 0, 960]
    assert rows[0][1] == 2


def test_an_hour_without_anything_is_a_chart_too() -> None:
    now = datetime.now(UTC)
    chart = Chart(LastHour(now, now, {}))
    assert (chart.total, chart.highest, chart.now) == (0, 0, 0)
    assert {bar.height for bar in chart.bars()} == {0}
