"""The history of a job: all that happened to it, waits that are over among it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.errors import StoreBusy, StoreRefused
from tagsweep.worker.jobs import backoff, control, queries, waits
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.jobs.inspection import history
from tagsweep.worker.jobs.inspection.history import Happening
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import ago, chunk, job
from tagsweep.worker.store.detach import Detach
from tests.support import driving
from tests.support.stores import Store, new_ids, new_tenant

FULL = "The store refuses it: no space left."
ADA = Requester(name="Ada", door="cli", proved=False)


@contextmanager
def _refusing(error: Exception) -> Iterator[None]:
    """Let the store refuse every chunk during the block."""

    def refused(*_: Any) -> Any:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Detach, "apply", refused)
        yield


def _full(said: str = "no space left") -> StoreRefused:
    return StoreRefused(said)


def _due(store: Store) -> None:
    """Let the time pass till which anything is put off."""
    with store.transaction() as connection:
        for table in (job, chunk):
            put_off = table.c.retry_at.is_not(None)
            connection.execute(update(table).where(put_off).values(retry_at=ago(1)))


def _opened(store: Store, tenant: str, **options: Any) -> UUID:
    ids = new_ids(4)
    store.tag(tenant, "legacy", tables=ids)
    return driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids, **options))


def _history(job_id: UUID) -> list[Happening]:
    with database.reading() as connection:
        return history.read(connection, queries.get(connection, job_id))


def _told(job_id: UUID) -> list[str]:
    return [one.what for one in _history(job_id)]


def test_a_wait_that_is_over_stays_in_the_history(store: Store, tenant: str) -> None:
    job_id = _opened(store, tenant)
    with _refusing(_full()):
        for _ in range(3):
            driving.step()
            _due(store)
        *_, now = _history(job_id)
        assert (now.what, now.detail, now.seconds) == ("waiting", FULL, None)
        assert now.at is not None
    driving.finish(job_id)
    told = _history(job_id)
    assert [one.what for one in told] == ["accepted", "started", "waited", "ended"]
    waited, ended = told[2:]
    assert waited.detail == f"{FULL} It was tried 3 times."
    assert waited.at == now.at
    assert ended.at is not None
    assert waited.at is not None
    assert 0 <= (waited.seconds or 0) <= (ended.at - waited.at).total_seconds()


def test_what_a_job_waits_for_next_is_told_apart(store: Store, tenant: str) -> None:
    driving.chunk_size(2)
    job_id = _opened(store, tenant)
    for error in (_full(), StoreBusy(), _full("read-only")):
        with _refusing(error):
            driving.step() if isinstance(error, StoreRefused) else backoff.chunk(job_id, 0, error)
        _due(store)
    driving.finish(job_id)
    waited = [one.detail for one in _history(job_id) if one.what == "waited"]
    assert waited == [FULL, backoff.BUSY, "The store refuses it: read-only."]


def test_a_job_that_ends_while_it_waits_has_waited_till_its_end(store: Store, tenant: str) -> None:
    job_id = _opened(store, tenant)
    with _refusing(_full()):
        driving.step()
    driving.cancel(job_id)
    told = _history(job_id)
    waited, ended = told[2], told[-1]
    assert (waited.what, ended.what) == ("waited", "ended")
    assert waited.at is not None
    assert ended.at is not None
    assert waited.seconds == pytest.approx((ended.at - waited.at).total_seconds())
    with store.transaction() as connection:
        control.retry(connection, job_id, ADA)
    with _refusing(_full()):  # another wait: it had ended meanwhile
        driving.step()
    assert _told(job_id)[-1] == "waiting"
    _due(store)
    driving.finish(job_id)
    assert [what for what in _told(job_id) if what in {"waited", "ended", "retried"}] == [
        *("waited", "ended"),
        "retried",
        *("waited", "ended"),
    ]


def test_a_job_that_never_waits_writes_nothing_of_it(store: Store, tenant: str) -> None:
    job_id = _opened(store, tenant)
    driving.finish(job_id)
    assert store.job(job_id).waits is None


def test_waits_without_end_are_the_latest_twenty(store: Store, tenant: str) -> None:
    job_id = _opened(store, tenant)
    for number in range(waits.MOST + 5):
        backoff.chunk(job_id, 0, _full(f"reason {number}"))
    with database.reading() as connection:
        known = waits.of(connection, job_id)
    assert [one.reason for one in known] == [
        f"The store refuses it: reason {number}." for number in range(5, waits.MOST + 5)
    ]
    assert all(one.until for one in known[:-1])
    assert known[-1].until is None


def test_the_same_wait_again_within_a_minute_is_one(store: Store, tenant: str) -> None:
    driving.chunk_size(1)
    job_id = _opened(store, tenant)
    for apart, found in ((timedelta(0), 1), (waits.SOON, 2)):
        with store.transaction() as connection:
            known = [{**one, **_earlier(one, apart)} for one in store.job(job_id).waits or ()]
            connection.execute(update(job).where(job.c.id == job_id).values(waits=known))
        with _refusing(_full()):
            driving.step()
        _due(store)
        driving.step()
        assert len(store.job(job_id).waits) == found


def _earlier(wait: dict[str, Any], apart: timedelta) -> dict[str, str]:
    """Return the times of a wait as if it had been that much earlier."""
    (one,) = waits._waits([wait])
    until = one.until
    assert until is not None
    return {"at": (one.at - apart).isoformat(), "until": (until - apart).isoformat()}


def test_who_paused_and_resumed_it_stands_beside_what_it_waited_for(
    store: Store, tenant: str
) -> None:
    job_id = _opened(store, tenant)
    with _refusing(_full()):
        driving.step()
    for act in (control.pause, control.resume):
        with store.transaction() as connection:
            act(connection, job_id, ADA)
    _due(store)
    driving.finish(job_id)
    told = [(one.what, one.by) for one in _history(job_id)][2:]
    assert told == [("waited", None), ("paused", "Ada"), ("resumed", "Ada"), ("ended", None)]


def test_a_preview_and_its_run_tell_of_each_other(store: Store, tenant: str) -> None:
    preview = _opened(store, tenant, dry_run=True)
    driving.finish(preview)
    with store.transaction() as connection:
        wanted = RunRequest(tenant=tenant, job=str(preview), requested_by=ADA)
        run, _ = runs.record(connection, wanted)
    driving.split(run.id)
    driving.finish(run.id)
    last = _history(preview)[-1]
    assert (last.what, last.by, last.job) == ("run", "Ada", str(run.id))
    first = _history(run.id)[0]
    assert (first.what, first.job) == ("previewed", str(preview))
    with store.transaction() as connection:  # another tenant's is none of this one's
        theirs = update(job).where(job.c.id == run.id).values(tenant=new_tenant())
        connection.execute(theirs)
    assert "run" not in _told(preview)
    assert "previewed" not in _told(run.id)
