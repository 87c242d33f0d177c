"""What a preview has shown is run: that and no more, once, as of the preview's acceptance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.errors import CannotRun, Forgotten, NoSuchJob
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import job as jobs
from tests.support import driving, receipts
from tests.support.driving import attach_job, detach_job
from tests.support.stores import Store, attached, counts, new_ids
from tests.support.worlds import World, changed, examples, worlds


def recorded(tenant: str, preview: object) -> JobRecord:
    """Record the run of a preview; return it as it is then."""
    with database.transaction() as connection:
        wanted = RunRequest.parse({"tenant": tenant, "job": str(preview)})
        return runs.record(connection, wanted)[0]


def run(tenant: str, preview: dict[str, Any]) -> dict[str, Any]:
    """Run a preview; return the completion data of that job."""
    return driving.run_recorded(recorded(tenant, preview["job_id"]).id)


def take_off(tenant: str, name: str, ids: list[str]) -> None:
    """Take a tag off tables, as somebody else does."""
    assert driving.run(detach_job(tenant, [name], tables=ids))["counts"]["removed"] == len(ids)


@pytest.mark.slow
@examples
@given(
    world=worlds("detach", "delete", "set", "merge", every=True) | worlds("attach"),
    stored=st.booleans(),
    most=st.integers(1, 20),
)
def test_a_run_does_what_its_preview_has_shown(
    store: Store, world: World, *, stored: bool, most: int
) -> None:
    world.fill(store)
    before = world.state(store)
    preview = world.run(stored=stored, dry_run=True)
    driving.chunk_size(most)
    done = run(world.tenant, preview)
    assert (done["kind"], done["status"]) == (preview["kind"], preview["status"])
    assert done["counts"] == preview["counts"]
    assert (done["previewed"], "dry_run" in done) == (preview["job_id"], False)
    assert changed(store, done["job_id"]) == changed(store, preview["job_id"])
    receipts.agrees(store, UUID(done["job_id"]))
    undo = UndoJob.parse({"tenant": world.tenant, "job": done["job_id"]})
    if done["kind"] != "delete" or done["status"] == "succeeded":
        assert driving.run(undo)["status"] == "succeeded"
        assert store.links(world.tenant) == before[0]


@pytest.mark.parametrize("most", [3, 1_000])
def test_exactly_the_links_shown_that_are_still_there_go(
    store: Store, tenant: str, most: int
) -> None:
    driving.chunk_size(most)
    shown, later = new_ids(20), new_ids(5)
    store.tag(tenant, "a", tables=shown)
    preview = driving.run(detach_job(tenant, ["a"], tables="*", dry_run=True))
    assert preview["counts"] == counts(total=20, removed=20)
    take_off(tenant, "a", shown[:5])
    store.tag(tenant, "a", tables=[*later, shown[0]])
    done = run(tenant, preview)
    assert done["counts"] == counts(total=20, removed=15, absent=5)
    assert done["remaining"] == 6
    assert {one for _, _, one in store.links(tenant)} == {*later, shown[0]}


def test_of_a_list_no_link_younger_than_the_preview_goes(store: Store, tenant: str) -> None:
    there, later, never = new_ids(3)
    store.tag(tenant, "a", tables=[there])
    job = detach_job(tenant, ["a"], tables=[there, later, never], dry_run=True)
    preview = driving.run(job)
    store.tag(tenant, "a", tables=[later])
    done = run(tenant, preview)
    assert done["counts"] == counts(total=3, removed=1, absent=2)
    assert store.links(tenant) == {("a", "tables", later)}


def test_of_workspaces_no_tag_that_was_set_anew_goes(store: Store, tenant: str) -> None:
    for name in ("w-1", "w-2", "w-3"):
        store.workspace(tenant, name, {"env": "dev", "team": "x"})
    preview = driving.run(driving.delete_job(tenant, "*", "env", dry_run=True))
    store.workspace(tenant, "w-2", {"env": "prod"})
    store.workspace(tenant, "w-4", {"env": "dev"})
    done = run(tenant, preview)
    assert done["counts"] == counts(total=3, removed=2, absent=1)
    left = {(name, value) for name, key, value, _ in store.workspace_tags(tenant) if key == "env"}
    assert left == {("w-2", "prod"), ("w-4", "dev")}


def test_a_preview_has_one_run_however_often_it_is_asked_for(store: Store, tenant: str) -> None:
    store.tag(tenant, "a", tables=new_ids(3))
    preview = driving.run(detach_job(tenant, ["a"], tables="*", dry_run=True, note="monthly"))
    done = run(tenant, preview)
    again = recorded(tenant, preview["job_id"].upper())
    assert str(again.id) == done["job_id"]
    assert (again.status, done["note"]) == ("succeeded", "monthly")


def test_an_attach_that_would_put_on_more_than_was_shown_is_rejected(
    store: Store, tenant: str
) -> None:
    ids = new_ids(4)
    store.tag(tenant, "a", tables=ids[:2])
    job = attach_job(tenant, ["a", "new"], tables=ids, dry_run=True)
    preview, same = driving.run(job), driving.run(job)
    assert preview["counts"] == attached(total=8, added=6, present=2)
    take_off(tenant, "a", ids[:1])
    refused = run(tenant, preview)
    (error,) = refused["errors"]
    assert (refused["status"], error["code"], error["would_add"]) == ("rejected", "max_affected", 7)
    assert "the preview has shown 6" in error["reason"]
    assert "new" not in store.tags(tenant)
    store.tag(tenant, "a", tables=ids[:1])
    assert run(tenant, same)["counts"] == preview["counts"]


def test_what_was_protected_in_the_preview_is_never_removed_by_its_run(
    store: Store, tenant: str
) -> None:
    ids = new_ids(4)
    store.tag(tenant, "a", tables=ids)
    store.tag(tenant, "hold", tables=ids[:1])
    for lists in ("*", ids):
        job = detach_job(tenant, ["a"], tables=lists, unless=["hold"], dry_run=True)
        preview = driving.run(job)
        take_off(tenant, "hold", ids[:1])
        done = run(tenant, preview)
        assert ("a", "tables", ids[0]) in store.links(tenant)
        assert done["status"] == ("succeeded" if lists == "*" else "rejected")
        store.tag(tenant, "a", tables=ids)
        store.tag(tenant, "hold", tables=ids[:1])


def test_the_guard_of_the_preview_stays(store: Store, tenant: str) -> None:
    store.tag(tenant, "a", tables=new_ids(3))
    preview = driving.run(detach_job(tenant, ["a"], tables="*", dry_run=True, max_affected=3))
    done = run(tenant, preview)
    assert (done["counts"]["removed"], done["request"]["max_affected"]) == (3, 3)


def test_a_preview_of_an_undo_is_run(store: Store, tenant: str) -> None:
    ids = new_ids(4)
    store.tag(tenant, "a", tables=ids)
    first = driving.run(detach_job(tenant, ["a"], tables=ids))
    undo = UndoJob.parse({"tenant": tenant, "job": first["job_id"], "dry_run": True})
    preview = driving.run(undo)
    store.tag(tenant, "a", tables=ids[:1])
    done = run(tenant, preview)
    assert (done["kind"], done["undoes"]) == ("undo", first["job_id"])
    assert done["counts"] == attached(total=4, added=3, present=1)
    assert len(store.links(tenant)) == 4


def test_a_run_that_was_cancelled_goes_on_where_it_stopped(store: Store, tenant: str) -> None:
    driving.chunk_size(2)
    store.tag(tenant, "a", tables=new_ids(6))
    preview = driving.run(detach_job(tenant, ["a"], tables="*", dry_run=True))
    job = recorded(tenant, preview["job_id"])
    driving.split(job.id)
    driving.step()
    stopped = driving.cancel(job.id)
    assert stopped["counts"] == counts(total=6, removed=2, unprocessed=4)
    assert driving.retry(job.id)["counts"] == counts(total=6, removed=6)


def test_what_cannot_be_run_is_refused_with_nothing_recorded(store: Store, tenant: str) -> None:
    store.tag(tenant, "a", tables=new_ids(3))
    job = detach_job(tenant, ["a"], tables="*", dry_run=True)
    guarded = driving.run(detach_job(tenant, ["a"], tables="*", dry_run=True, max_affected=1))
    waiting = driving.record(job)
    cancelled = driving.cancel(driving.opened(job))
    done = driving.run(detach_job(tenant, ["a"], tables=new_ids(1)))
    preview = driving.run(job)
    for owner, one, error, words in (
        (tenant, uuid4(), NoSuchJob, "There is no job"),
        (f"{tenant}-b", preview["job_id"], NoSuchJob, "There is no job"),
        (tenant, done["job_id"], CannotRun, "is no preview"),
        (tenant, waiting, CannotRun, "has not ended yet"),
        (tenant, guarded["job_id"], CannotRun, "ended rejected"),
        (tenant, cancelled["job_id"], CannotRun, "ended cancelled"),
    ):
        with pytest.raises(error, match=words):
            recorded(owner, one)
    assert len(store.links(tenant)) == 3
    driving.run_recorded(waiting)


def _aged(store: Store, job_id: str, **columns: Any) -> None:
    with store.transaction() as connection:
        connection.execute(update(jobs).where(jobs.c.id == UUID(job_id)).values(**columns))


def test_a_preview_is_run_within_its_hours(store: Store, tenant: str) -> None:
    store.tag(tenant, "a", tables=new_ids(3))
    preview = driving.run(detach_job(tenant, ["a"], tables="*", dry_run=True))
    ended_at = store.job(preview["job_id"]).finished_at
    _aged(store, preview["job_id"], finished_at=ended_at - timedelta(hours=25))
    with pytest.raises(Forgotten, match=r"older than 24 h \(TAGSWEEP_PREVIEW_HOURS\)"):
        recorded(tenant, preview["job_id"])
    _aged(store, preview["job_id"], finished_at=ended_at - timedelta(hours=23))
    job = recorded(tenant, preview["job_id"])
    _aged(store, preview["job_id"], forgotten_at=ended_at)
    done = driving.run_recorded(job.id)
    assert (done["status"], done["errors"][0]["code"]) == ("rejected", "forgotten")
    assert len(store.links(tenant)) == 3


def test_a_trigger_that_refused_in_the_preview_refuses_no_more_than_that(
    store: Store, tenant: str
) -> None:
    ids = new_ids(5)
    store.tag(tenant, "kept", tables=ids)
    receipts.refusing(store)
    receipts.keep(store, ids[:2])
    job = detach_job(tenant, ["kept"], tables="*", dry_run=True)
    preview = driving.finish(driving.opened(job))
    assert preview["counts"] == counts(total=5, removed=3, failed=2)
    receipts.keep(store, [])
    assert run(tenant, preview)["counts"] == counts(total=3, removed=3)
    assert {one for _, _, one in store.links(tenant)} == set(ids[:2])
