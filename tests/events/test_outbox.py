"""The feed of completion events: positions without a gap, in the order of the commits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from sqlalchemy import Connection

from tagsweep.producer.cli.backends import store_events
from tagsweep.worker import database
from tagsweep.worker.events import outbox, reading, relay
from tests.support import driving
from tests.support.locks import wait_for_waiting
from tests.support.stores import Store, new_tenant


def _ended(tenant: str) -> UUID:
    """Record and end a job, whose event is not published yet."""
    job_id = driving.record(driving.detach_job(tenant, []))
    driving.split(job_id, at_once=True)
    return job_id


def _mark_next(connection: Connection) -> UUID:
    """Mark the oldest event that nobody holds; return its job."""
    (row,) = outbox.claim(connection, limit=1)
    outbox.mark(connection, [row], published=[row], answered=[row])
    found: UUID = row.job_id
    return found


def test_positions_follow_the_order_of_the_commits(postgres_store: Store, tenant: str) -> None:
    one, two = _ended(tenant), _ended(tenant)

    def mark() -> UUID:
        with database.transaction() as connection:
            return _mark_next(connection)

    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as first:
            assert _mark_next(first) == one
            second = pool.submit(mark)
            wait_for_waiting(postgres_store)
            with database.reading() as reader:
                assert reading.after(reader, 0, 100) == []
        assert second.result(timeout=30) == two
    assert [(row.job_id, row.position) for row in postgres_store.outbox()] == [(one, 1), (two, 2)]


def test_a_position_that_was_rolled_back_leaves_no_gap(store: Store, tenant: str) -> None:
    _ended(tenant)
    with database.engine().connect() as connection, connection.begin() as transaction:
        _mark_next(connection)
        transaction.rollback()
    relay.deliver()
    assert [row.position for row in store.outbox()] == [1]


def test_a_reader_that_has_seen_a_position_has_seen_all_before(store: Store) -> None:
    per_writer, writers = 12, 5
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        last = False
        while not last:
            last = done.is_set()
            with database.reading() as connection:
                rows = reading.after(connection, seen[-1] if seen else 0, limit=7)
            seen.extend(row.position for row in rows)
            last = last and not rows

    def write(_: int) -> None:
        tenant = new_tenant()
        for _ in range(per_writer):
            relay.deliver(_ended(tenant))

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    done.set()
    reader.join()
    relay.deliver()
    assert seen == list(range(1, per_writer * writers + 1))
    assert len({row.job_id for row in store.outbox()}) == per_writer * writers


def test_an_event_that_another_relay_holds_is_passed_over(
    postgres_store: Store, tenant: str
) -> None:
    one, two = _ended(tenant), _ended(tenant)
    with database.transaction() as connection:
        (held,) = outbox.claim(connection, [one])
        assert held.job_id == one
        assert relay.deliver() == 1
    published = {row.job_id for row in postgres_store.outbox() if row.published_at}
    assert published == {two}


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_feed_can_be_read_from_a_moment_on(
    store: Store, tenant: str, order: tuple[int, ...]
) -> None:
    jobs = [_ended(tenant) for _ in order]
    for at in order:  # into the feed, whenever it was written
        assert relay.deliver(jobs[at]) == 1
    written = {row.job_id: row.created_at for row in store.outbox()}
    for at, moment in enumerate(written[job_id] for job_id in jobs):
        expected = [jobs[one] for one in order if one >= at]
        assert _since(moment) == expected
        assert _jobs(relay.republish(moment)) == expected
        assert _jobs(store_events.read(moment, follow=False)) == expected
    assert _since(max(written.values()) + timedelta(seconds=1)) == []


def _since(moment: datetime) -> list[UUID]:
    """Return the jobs of the feed's events from its place on, read one by one."""
    found: list[str] = []
    with database.reading() as connection:
        position = reading.position_at(connection, moment)
        while rows := reading.after(connection, position, 1, reading.since(moment)):
            found.append(rows[0].event)
            position = rows[0].position
    return _jobs(found)


def _jobs(events: Iterable[str | None]) -> list[UUID]:
    return [UUID(json.loads(event)["subject"]) for event in events if event]
