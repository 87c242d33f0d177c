"""A standby takes over that had not everything: what was told and is gone is said, not hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Text, literal_column

from tagsweep.worker import database
from tagsweep.worker.database import schema
from tagsweep.worker.doctor import checks
from tagsweep.worker.events import feed, relay
from tests.gateway.test_events import EVENTS, Feed
from tests.servers import Postgres, Redis
from tests.servers.standby import Standby
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.gateway import Gateway, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import Store, new_tenant

KNOWN, LOST = 3, 2


@dataclass(frozen=True)
class TakenOver:
    """A store as the standby had it: KNOWN events of the tenant, of which LOST more were told."""

    url: str
    tenant: str


@pytest.fixture
def taken_over(own_postgres: Postgres, postgres_template_of: str) -> Iterator[TakenOver]:
    """The store of a server that died, on the standby that was behind it."""
    tenant = new_tenant()
    with Standby(own_postgres) as standby:
        with configured(database_url=postgres_template_of):
            _end(tenant, KNOWN)
            eventually(standby.knows_all)
            standby.stop()
            _end(tenant, LOST)
            assert [row.position for row in _rows(postgres_template_of)] == [1, 2, 3, 4, 5]
        own_postgres.kill()
        standby.start()
        standby.promote()
        yield TakenOver(standby.moved(postgres_template_of), tenant)


@pytest.fixture
def postgres_template_of(own_postgres: Postgres) -> str:
    """A store with our schema on a server that the test may kill."""
    url = own_postgres.create_database()
    with configured(database_url=url):
        schema.upgrade()
    return url


def _end(tenant: str, how_many: int) -> list[UUID]:
    ended = []
    for _ in range(how_many):
        job_id = driving.record(driving.detach_job(tenant, []))
        driving.split(job_id, at_once=True)
        relay.deliver(job_id)
        ended.append(job_id)
    return ended


def _rows(url: str) -> list[Any]:
    store = Store(url)
    try:
        return store.outbox()
    finally:
        store.close()


def test_no_position_is_given_twice(taken_over: TakenOver) -> None:
    with configured(database_url=taken_over.url):
        _end(taken_over.tenant, 2)
        with database.reading() as connection:
            known = feed.bounds(connection)
        positions = [row.position for row in _rows(taken_over.url)]
    assert positions == [1, 2, 3, feed.EPOCH + 1, feed.EPOCH + 2]
    before = [known.known_before(number) for number in (3, 4, 5, feed.EPOCH + 1)]
    assert before == [None, 3, 3, None]


def test_doctor_tells_what_may_be_gone(taken_over: TakenOver) -> None:
    with configured(database_url=taken_over.url):
        for _ in ("before the first event of the new server", "after it"):
            found = [one for one in checks.findings() if one.about == "feed"]
            assert [one.is_wrong for one in found] == [True]
            assert "event number 3" in found[0].what
            assert "docs/guarantees.md" in (found[0].advice or "")
            _end(taken_over.tenant, 1)


def test_a_reader_that_stands_at_a_lost_event_is_told_where_to_go_on(
    taken_over: TakenOver, redis_server: Redis, tmp_path: Path
) -> None:
    stack = ServerStack("redis", tmp_path, taken_over.url, redis_server.create_database())
    try:
        with serving(stack) as gateway:
            _read_on(gateway, taken_over)
    finally:
        stack.close()


def _read_on(gateway: Gateway, taken_over: TakenOver) -> None:
    with gateway.client(taken_over.tenant) as client:
        for moment in ("before the first event of the new server", "after it"):
            answer = client.get(EVENTS, headers={"Last-Event-ID": "5"})
            assert answer.status_code == 410, moment
            assert answer.json()["resume_behind"] == KNOWN
            with configured(database_url=taken_over.url):
                _end(taken_over.tenant, 1)
        assert client.get(EVENTS, params={"last_event_id": 4}).status_code == 410
        with client.stream("GET", EVENTS, headers={"Last-Event-ID": "3"}, timeout=30) as answer:
            assert answer.status_code == 200
            seen = [message.id for message in Feed(answer).until(2)]
    assert seen == [feed.EPOCH + 1, feed.EPOCH + 2]


def test_a_store_that_tells_no_history_counts_on(
    postgres_store: Store, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_HISTORY", literal_column("(SELECT no_such_function())", Text))
    _end(tenant, 2)
    assert [row.position for row in postgres_store.outbox()] == [1, 2]
    with database.reading() as connection:
        assert feed.bounds(connection) == feed.Bounds(0, 2, (), moved=False)
