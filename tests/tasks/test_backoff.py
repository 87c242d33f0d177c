"""What the store refuses is put off: it holds up nothing else, and its end comes all the same."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from tagsweep.worker import database
from tagsweep.worker.doctor import checks
from tagsweep.worker.jobs import backoff, queries, scheduling
from tagsweep.worker.models import views
from tagsweep.worker.models.tables import chunk, job
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.tasks import recorded, start, sweep
from tests.support import driving
from tests.support.stores import (
    Store,
    counts,
    new_ids,
    new_tenant,
)

pytestmark = pytest.mark.mapped

#: longer than any machine takes for a test
AN_HOUR = 3600


def _refuse(store: Store, table: str, when: str, code: str, condition: str = "true") -> None:
    """Let a trigger on PostgreSQL refuse, with this SQLSTATE, what fits the condition."""
    body = f"BEGIN IF {condition} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF; "
    body += "RETURN coalesce(NEW, OLD); END"
    with store.transaction() as connection:
        function = f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        connection.execute(text(function))
        trigger = f"CREATE TRIGGER refuse BEFORE {when} ON {table} FOR EACH ROW"
        connection.execute(text(f"{trigger} EXECUTE FUNCTION refuse()"))


def _relent(store: Store, table: str) -> None:
    with store.transaction() as connection:
        connection.execute(text(f"DROP TRIGGER refuse ON {table}"))
        connection.execute(text("DROP FUNCTION refuse()"))


def _opened(store: Store, tenant: str, ids: list[str]) -> UUID:
    store.tag(tenant, "legacy", tables=ids)
    return driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids))


def _shown(job_id: UUID) -> dict[str, Any]:
    with database.reading() as connection:
        return views.of(queries.get(connection, job_id), None)


def test_a_chunk_that_is_refused_holds_up_neither_its_job_nor_others(
    postgres_store: Store, tenant: str
) -> None:
    driving.chunk_size(2)
    ids = sorted(new_ids(8))
    job_id, other = _opened(postgres_store, tenant, ids), new_tenant()
    tables = postgres_store.tables
    first = f"OLD.{tables.resource} = '{ids[0]}'"
    _refuse(postgres_store, tables.links, "DELETE", "53100", first)
    driving.step()
    driving.due_in(AN_HOUR)
    refused = postgres_store.chunks(job_id)[0]
    assert (refused.state, refused.tries) == ("open", 1)
    assert "not now (SQLSTATE 53100)" in _shown(job_id)["waiting"]
    others = _opened(postgres_store, other, new_ids(2))
    driving.step()
    assert postgres_store.job(others).status == "succeeded"
    assert sweep.apply_next() is None  # the job has a pause too
    with postgres_store.transaction() as connection:
        connection.execute(update(job).values(retry_at=None))
    for _ in range(3):  # the others of it; the refused one is not due yet
        driving.step()
    assert [one.state for one in postgres_store.chunks(job_id)] == ["open", *["done"] * 3]
    with database.reading() as connection:
        assert not scheduling.any_open(connection)
    assert "waiting" in _shown(job_id)
    _relent(postgres_store, postgres_store.tables.links)
    driving.due_in(-1)
    data = driving.finish(job_id)
    assert (data["status"], data["counts"]) == ("succeeded", counts(total=8, removed=8))
    assert "waiting" not in _shown(job_id)


def _clock(store: Store) -> datetime:
    with store.transaction() as connection:
        now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return now


def test_pauses_grow_up_to_a_minute(postgres_store: Store, tenant: str) -> None:
    job_id = _opened(postgres_store, tenant, new_ids(2))
    _refuse(postgres_store, postgres_store.tables.links, "DELETE", "XX000")
    pauses = []
    for _ in range(8):
        driving.due_in(-1)
        before = _clock(postgres_store)
        driving.step()
        retry_at = postgres_store.chunks(job_id)[0].retry_at
        # However long the step took, the pause lies between the two.
        since_end, since_start = retry_at - _clock(postgres_store), retry_at - before
        pauses.append((since_end.total_seconds(), since_start.total_seconds()))
    assert pauses[0][0] <= backoff.FIRST_S < pauses[0][1] / 0.8
    assert pauses[3][1] > 4 * pauses[0][0]
    assert pauses[-1][0] <= backoff.MOST_S < pauses[-1][1] / 0.8


def test_a_statement_that_takes_too_long_is_cut_into_more_and_more(
    postgres_store: Store, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = new_ids(16)
    job_id = _opened(postgres_store, tenant, ids)
    whole = Detach.apply

    def too_long(detach: Detach, connection: Any, job: Any, chunk: Any) -> Any:
        if chunk.size > 4:
            timeout = "SET LOCAL statement_timeout = '20ms'"
            connection.execute(text(timeout))
            connection.execute(text("SELECT pg_sleep(5)"))
        return whole(detach, connection, job, chunk)

    monkeypatch.setattr(Detach, "apply", too_long)
    for _ in range(2):
        driving.step()
        driving.due_in(-1)
    assert postgres_store.chunks(job_id)[0].pieces == 4
    data = driving.finish(job_id)
    assert (data["status"], data["counts"]) == ("succeeded", counts(total=16, removed=16))


def test_a_start_that_is_refused_is_tried_again(postgres_store: Store, tenant: str) -> None:
    ids = new_ids(3)
    postgres_store.tag(tenant, "legacy", tables=ids)
    job_id = driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
    _refuse(postgres_store, "job", "UPDATE", "42501", "NEW.status <> 'queued'")
    start.start_recorded(job_id)
    row = postgres_store.job(job_id)
    assert (row.status, row.tries) == ("queued", 1)
    driving.due_in(AN_HOUR)
    with database.reading() as connection:
        assert scheduling.next_to_split(connection) is None
    wrong = [one for one in checks._jobs() if one.is_wrong]
    assert [str(job_id) in one.what and "not now" in one.what for one in wrong] == [True]
    _relent(postgres_store, "job")
    driving.due_in(-1)
    assert recorded.split_next()
    assert driving.finish(job_id)["counts"] == counts(total=3, removed=3)


def test_when_one_gets_on_all_that_wait_for_the_same_are_tried_at_once(
    postgres_store: Store, tenant: str
) -> None:
    jobs = [_opened(postgres_store, new_tenant(), new_ids(2)) for _ in range(3)]
    jobs.append(_opened(postgres_store, tenant, new_ids(2)))
    _refuse(postgres_store, postgres_store.tables.links, "DELETE", "53200")
    for _ in jobs:
        driving.step()
    driving.due_in(AN_HOUR)
    assert sweep.apply_next() is None
    _relent(postgres_store, postgres_store.tables.links)
    with postgres_store.transaction() as connection:
        for table, column in ((job, job.c.id), (chunk, chunk.c.job_id)):
            connection.execute(update(table).where(column == jobs[0]).values(retry_at=None))
    for one in jobs:
        driving.finish(one)
    assert {postgres_store.job(one).status for one in jobs} == {"succeeded"}


def test_a_cancelled_job_that_waits_ends_at_once(postgres_store: Store, tenant: str) -> None:
    job_id = _opened(postgres_store, tenant, new_ids(2))
    _refuse(postgres_store, postgres_store.tables.links, "DELETE", "53200")
    driving.step()
    assert driving.cancel(job_id)["status"] == "cancelled"


@pytest.mark.slow
@pytest.mark.parametrize("code", ["42501", "P0001", "55000", "25006"])
@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_refused_of_the_report_costs_the_report_not_the_job(
    postgres_store: Store,
    tenant: str,
    code: str,
    at_once: bool,  # noqa: FBT001  # a way of ending
) -> None:
    ids = new_ids(3)
    postgres_store.tag(tenant, "legacy", tables=ids)
    reported = "NEW.updated_at <> OLD.updated_at"  # an application's tags change with their counter
    _refuse(postgres_store, postgres_store.tables.tags, "UPDATE", code, reported)
    job_id = driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
    if at_once:
        start.start_recorded(job_id)
    else:
        driving.split(job_id)
    began = time.monotonic()
    while postgres_store.job(job_id).status == "running" and time.monotonic() - began < 5:
        sweep.apply_next()
    data = driving.finish(job_id)
    assert (data["status"], data["counts"]) == ("partial", counts(total=3, removed=3))
    assert [one["code"] for one in data["errors"]] == ["report_refused"]
    assert "not now" in data["errors"][0]["reason"]
    assert [one["name"] for one in data["tags"]] == ["legacy"]
    assert len(postgres_store.outbox(job_id)) == 1


def test_an_error_of_our_own_is_given_up_at_the_fifth_time(
    store: Store, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = _opened(store, tenant, new_ids(2))

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Detach, "apply", broken)
    for _ in range(sweep.MOST_FAULTS):
        driving.step()
        driving.due_in(-1)
    data = driving.finish(job_id)
    assert (data["status"], data["counts"]) == ("partial", counts(total=2, failed=2))
    assert {one["code"] for one in data["errors"]} == {"gave_up"}
    assert "ZeroDivisionError: a bug" in data["errors"][0]["reason"]


def test_on_sqlite_too_a_table_that_is_missing_fails_nothing(
    sqlite_store: Store, tenant: str
) -> None:
    ids = new_ids(2)
    job_id = _opened(sqlite_store, tenant, ids)
    with sqlite_store.transaction() as connection:
        connection.execute(text("ALTER TABLE removal RENAME TO away"))
    driving.step()
    assert "no such table" in _shown(job_id)["waiting"]
    driving.due_in(AN_HOUR)
    assert sweep.apply_next() is None
    with sqlite_store.transaction() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO removal"))
    driving.due_in(-1)
    assert driving.finish(job_id)["counts"] == counts(total=2, removed=2)
