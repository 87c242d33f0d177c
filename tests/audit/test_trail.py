"""Whoever did something stands in the trail, and nobody can take it out again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from tagsweep.producer.gateway.auth import credentials
from tagsweep.producer.gateway.auth.grants import Grant
from tagsweep.worker.audit import entries, trail
from tagsweep.worker.audit.entries import Entry, EntryFilter
from tagsweep.worker.events import relay
from tagsweep.worker.jobs import control, queries, retention
from tagsweep.worker.jobs.inspection import history
from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.models.tables import ago, audit_entry, chore, clock
from tagsweep.worker.models.tables import job as job_table
from tests.support import driving
from tests.support.stores import Store, new_ids

ANN = Requester(name="ann", door="http", proved=True, credential=uuid4())
BOB = Requester(name="bob", door="cli")


def _found(store: Store, **given: Any) -> list[Entry]:
    with store.transaction() as connection:
        return entries.page(connection, EntryFilter(**given), None, 1_000)


def _told(found: list[Entry]) -> list[tuple[str, str | None]]:
    """Return actions and names, the oldest first."""
    return [(one.action, (one.requested_by or {})["name"]) for one in reversed(found)]


def _open_job(store: Store, tenant: str) -> UUID:
    ids = new_ids(4)
    store.tag(tenant, "t", tables=ids)
    driving.chunk_size(2)
    return driving.opened(driving.detach_job(tenant, ["t"], tables=ids))


def test_each_act_on_a_job_tells_who_did_it_and_when(store: Store, tenant: str) -> None:
    job_id = _open_job(store, tenant)
    acts: list[tuple[Any, Requester]] = [
        *((control.pause, ANN), (control.resume, BOB), (control.cancel, ANN)),
        (control.retry, BOB),
    ]
    for act, by in acts:
        with store.transaction() as connection:
            act(connection, job_id, by)
    found = _found(store, tenant=tenant)
    assert _told(found) == [
        *(("job.create", None), ("job.pause", "ann"), ("job.resume", "bob")),
        *(("job.cancel", "ann"), ("job.retry", "bob")),
    ]
    assert {(one.tenant, one.job_id, one.kind) for one in found} == {(tenant, job_id, "detach")}
    assert found[1].requested_by == ANN.shown()
    assert found[1].credential == ANN.credential
    assert found[0].credential is None
    assert found == sorted(found, key=lambda one: one.at, reverse=True)


def test_what_is_so_already_is_done_by_nobody(store: Store, tenant: str) -> None:
    job_id = _open_job(store, tenant)
    for act in (control.resume, control.pause, control.pause, control.cancel, control.cancel):
        with store.transaction() as connection:
            act(connection, job_id, ANN)
    assert _told(_found(store, tenant=tenant))[1:] == [("job.pause", "ann"), ("job.cancel", "ann")]


def test_an_act_that_is_rolled_back_was_none(store: Store, tenant: str) -> None:
    job_id = _open_job(store, tenant)
    with store.transaction() as connection:
        control.cancel(connection, job_id, ANN)
        connection.rollback()
    assert _told(_found(store, tenant=tenant)) == [("job.create", None)]


def test_the_history_of_a_job_tells_who_did_what(store: Store, tenant: str) -> None:
    job_id = _open_job(store, tenant)
    with store.transaction() as connection:
        control.pause(connection, job_id, ANN)
    with store.transaction() as connection:
        control.cancel(connection, job_id, BOB)
    driving.retry(job_id)
    with store.transaction() as connection:
        told = history.read(connection, queries.get(connection, job_id))
    assert [(one.what, one.by) for one in told] == [
        *(("accepted", None), ("started", None), ("paused", "ann"), ("cancelled", "bob")),
        *(("ended", None), ("retried", None), ("ended", None)),
    ]
    assert all(one.at for one in told)


@pytest.mark.parametrize("kind", ["preview", "create", "undo"])
def test_who_asked_for_a_job_outlives_the_job(store: Store, tenant: str, kind: str) -> None:
    ids = new_ids(1)
    store.tag(tenant, "t", tables=ids)
    options: dict[str, Any] = {"dry_run": True} if kind == "preview" else {}
    job = driving.detach_job(tenant, ["t"], tables=ids, note="Why?", **options)
    job_id = driving.record(job.through("http", "ann", ANN.credential))
    driving.run_recorded(job_id)
    if kind == "undo":
        undo = UndoJob.parse({"tenant": tenant, "job": str(job_id)}).through(
            "http", "ann", ANN.credential
        )
        driving.run_recorded(driving.record(undo))
    before = _found(store, tenant=tenant)
    assert before[0].action == f"job.{kind}"
    assert before[-1].details == {"note": "Why?"}
    assert before[-1].credential == ANN.credential
    assert before[0].target == (str(job_id) if kind == "undo" else None)
    for one in before:
        relay.deliver(one.id)
    _age(store, days=91)
    _keep(store)
    assert _found(store, tenant=tenant) == before
    with store.transaction() as connection:
        assert queries.find(connection, job_id) is None


def test_nobody_changes_an_entry_or_deletes_one_that_has_not_expired(
    store: Store, tenant: str
) -> None:
    with store.transaction() as connection:
        trail.append(connection, "key.create", ANN, tenant=tenant)
    before = _found(store, tenant=tenant)
    mine = audit_entry.c.tenant == tenant
    tries: list[Any] = [
        update(audit_entry).where(mine).values(action="key.revoke"),
        update(audit_entry).where(mine).values(expires_at=clock()),
        delete(audit_entry).where(mine),
    ]
    if store.url.startswith("postgresql"):
        tries.append(text("TRUNCATE tagsweep.audit_entry"))
    for one in tries:
        with pytest.raises(DBAPIError, match="keeps what is written until it expires"):
            _execute(store, one)
    assert _found(store, tenant=tenant) == before


def test_an_entry_goes_once_it_has_expired(store: Store, tenant: str) -> None:
    for days in (-0.01, 0.01):
        expires_at = ago(-days * 86_400)
        row = {"tenant": tenant, "action": "key.create", "target": str(days)}
        _execute(store, insert(audit_entry).values({**row, "expires_at": expires_at}))
    _keep(store)
    assert [one.target for one in _found(store, tenant=tenant)] == ["0.01"]


def test_an_entry_is_kept_for_four_hundred_days(store: Store, tenant: str) -> None:
    with store.transaction() as connection:
        trail.append(connection, "key.create", ANN, tenant=tenant)
        row = connection.execute(audit_entry.select()).mappings().one()
    assert row["expires_at"] - row["at"] == pytest.approx(timedelta(days=400), abs=timedelta(0, 9))


def test_what_becomes_of_a_key_is_told_without_its_secrets(store: Store, tenant: str) -> None:
    with store.transaction() as connection:
        made = credentials.create(connection, Grant(tenant, name="ci"), BOB)
        old = credentials.find(connection, str(made.id))
        assert old is not None
        new = credentials.rotate(connection, old, timedelta(days=1), BOB)
        assert credentials.revoke(connection, made.id, BOB)
        assert not credentials.revoke(connection, made.id, BOB)
    found = _found(store, tenant=tenant)
    assert sorted((one.action, one.target) for one in found) == [
        *(("key.create", str(one.id)) for one in sorted((made, new), key=lambda one: str(one.id))),
        *(("key.revoke", str(made.id)), ("key.rotate", str(made.id))),
    ]
    text_of_all = str([one.shown() for one in found])
    assert made.key not in text_of_all
    assert "ci" in text_of_all


def test_a_filter_finds_what_it_names_page_by_page_in_both_directions(
    store: Store, tenant: str
) -> None:
    first = _open_job(store, tenant)
    for by in (ANN, BOB, ANN):
        for act in (control.pause, control.resume):
            with store.transaction() as connection:
                act(connection, first, by)
    driving.record(driving.detach_job(tenant, ["t"], tables=new_ids(2)))
    whole = _found(store, tenant=tenant)
    assert len(whole) == 8
    assert [one for one in whole if one.job_id == first] == _found(store, job=first)
    assert len(_found(store, tenant=tenant, action="job.pause", by="ann")) == 2
    assert _found(store, tenant=tenant, since=whole[3].at) == whole[:4]
    wanted = EntryFilter(tenant=tenant)
    with store.transaction() as connection:
        assert entries.count(connection, wanted) == 8
        for size in (1, 3, 8):
            for place, one in enumerate(whole):
                at = (one.at, one.id)
                assert entries.page(connection, wanted, at, size) == whole[place + 1 :][:size]
                back = entries.page(connection, wanted, at, size, back=True)
                assert back == whole[:place][::-1][:size]
                numbered = entries.page(connection, wanted, None, size, offset=place)
                assert numbered == whole[place:][:size]


def _execute(store: Store, statement: Any) -> None:
    with store.transaction() as connection:
        connection.execute(statement)


def _age(store: Store, days: int) -> None:
    """Let all jobs have ended so long ago."""
    then = ago(days * 86_400)
    _execute(store, update(job_table).values(finished_at=then, forgotten_at=then))


def _keep(store: Store) -> None:
    """Look for what has expired until there is nothing, whatever the time."""
    for _ in range(5):
        _execute(store, update(chore).values(due_at=ago(60)))
        retention.keep()
