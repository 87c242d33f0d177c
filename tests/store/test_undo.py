"""Undo: what a job changed is as it was before, but for what somebody has changed since."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, text

from tagsweep.worker.errors import CannotUndo, Forgotten, NoSuchJob
from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.models.tables import workspace
from tests.support import driving, lives, receipts
from tests.support.stores import (
    Store,
    attached,
    counts,
    new_ids,
)
from tests.support.worlds import World, examples, worlds


def _undo(tenant: str, job_id: str | UUID, **options: Any) -> dict[str, Any]:
    """Undo a job; return the completion data of what did it."""
    body = {"tenant": tenant, "job": str(job_id), **options}
    return driving.run_recorded(driving.record(UndoJob.parse(body)))


def _there(world: World, store: Store) -> tuple[Any, Any]:
    return store.links(world.tenant), store.workspace_tags(world.tenant)


@pytest.fixture
def refusing(store: Store) -> Store:
    """A store that refuses to remove some items."""
    receipts.refusing(store)
    return store


def _lived(store: Store, job_id: UUID, happens: list[str]) -> dict[str, Any]:
    """Let a job live through what happens, to its end; return its completion data."""
    driving.split(job_id)
    for step in happens:
        lives.do(step, store, job_id)
    done = driving.finish(job_id)
    receipts.agrees(store, job_id)
    return done


#: of the undo of some kinds
WORDS = {
    "attach": ("removed", "absent"),
    "set": ("set", "unchanged"),
    "merge": ("moved", "absent", "present"),
}


def _changed(done: dict[str, Any]) -> int:
    """Return how many items a job has changed, whatever its kind."""
    told = done["counts"]
    changed = next(told[word] for word in ("removed", "added", "set", "moved") if word in told)
    return int(changed + (told["present"] if "moved" in told else 0))


KINDS = ("detach", "attach", "delete", "set", "merge")


@pytest.mark.mapped_core
@examples
@given(world=worlds(*KINDS), happens=lives.steps, again=lives.steps)
@pytest.mark.slow
def test_undone_it_is_as_it_was_before_and_done_again_as_after(
    refusing: Store, world: World, happens: list[str], again: list[str]
) -> None:
    store = refusing
    world.fill(store)
    before = _there(world, store)
    first = _lived(store, driving.record(world.job()), happens)
    after = _there(world, store)
    undo = driving.record(UndoJob.parse({"tenant": world.tenant, "job": first["job_id"]}))
    driving.split(undo)
    for step in again:
        lives.do(step, store, undo)
    done = driving.finish(undo)
    if done["status"] == "cancelled":
        done = driving.retry(undo)
    receipts.agrees(store, undo)
    assert (done["kind"], done["status"], done["undoes"]) == ("undo", "succeeded", first["job_id"])
    assert _there(world, store) == before
    changed = _changed(first)
    words = WORDS.get(world.kind, ("added", "present"))
    nothing = dict.fromkeys((*words, "failed", "unprocessed"), 0)
    assert done["counts"] == {"total": changed, **nothing, words[0]: changed}
    second = _undo(world.tenant, first["job_id"])
    assert second["counts"] == {"total": changed, **nothing, words[1]: changed}
    assert second["status"] == "succeeded"
    redone = _undo(world.tenant, undo)
    assert redone["status"] == "succeeded"
    assert _there(world, store) == after


@pytest.mark.slow
@examples
@given(world=worlds(*KINDS), kept=st.integers(0, 5))
def test_a_preview_and_a_guard_of_an_undo_change_nothing(
    store: Store, world: World, kept: int
) -> None:
    world.fill(store)
    first = world.run()
    after = world.state(store)
    preview = _undo(world.tenant, first["job_id"], dry_run=True)
    guarded = _undo(world.tenant, first["job_id"], dry_run=True, max_affected=kept)
    assert world.state(store) == after
    done = _undo(world.tenant, first["job_id"])
    assert (preview["counts"], preview["dry_run"]) == (done["counts"], True)
    changed = _changed(done)
    assert (guarded["status"] == "rejected") == (changed > kept)


def test_what_somebody_attached_again_is_passed_over(store: Store, tenant: str) -> None:
    ids = new_ids(3)
    store.tag(tenant, "t", tables=ids)
    first = driving.run(driving.detach_job(tenant, ["t"], tables=ids))
    store.tag(tenant, "t", tables=ids[:1])
    moved = store.tags(tenant)["t"].updated_at
    done = _undo(tenant, first["job_id"])
    assert done["counts"] == attached(total=3, added=2, present=1)
    assert [one["name"] for one in done["tags"]] == ["t"]
    assert store.tags(tenant)["t"].updated_at > moved
    again = _undo(tenant, first["job_id"])
    assert store.tags(tenant)["t"].updated_at.isoformat() == done["tags"][0]["updated_at"]
    assert again["counts"] == attached(total=3, present=3)


def test_what_somebody_put_there_anew_is_not_taken_off(store: Store, tenant: str) -> None:
    ids = new_ids(3)
    added = driving.run(driving.attach_job(tenant, ["t"], tables=ids))
    driving.run(driving.detach_job(tenant, ["t"], tables=ids[:1]))
    store.tag(tenant, "t", tables=ids[:1])
    done = _undo(tenant, added["job_id"])
    assert done["counts"] == counts(total=3, removed=2, absent=1)
    assert {one for _, _, one in store.links(tenant)} == {ids[0]}


def test_of_a_tag_that_is_gone_nothing_comes_back(store: Store, tenant: str) -> None:
    ids = new_ids(2)
    for name in ("gone", "there"):
        store.tag(tenant, name, tables=ids)
    first = driving.run(driving.detach_job(tenant, ["gone", "there"], tables=ids))
    store.remove_tag(tenant, "gone")
    done = _undo(tenant, first["job_id"])
    assert done["counts"] == attached(total=4, added=2, failed=2)
    assert done["status"] == "partial"
    (row,) = {(row["tag"], row["reason"]) for row in receipts.read(UUID(done["job_id"]), "failed")}
    assert row == ("gone", "The tag no longer exists.")


def test_keys_come_back_unless_they_were_set_anew(store: Store, tenant: str) -> None:
    for name in ("w-1", "w-2", "w-3"):
        store.workspace(tenant, name, {"env": f"of {name}"}, {"env": "s"})
    tags = {"tags": [{"key": "env"}], "sys_tags": [{"key": "env"}]}
    job = driving.delete_job(tenant, ["w-1", "w-2", "w-3"], "env", sys_tags=tags["sys_tags"])
    first = driving.run(job)
    assert store.workspace_tags(tenant) == set()
    store.workspace(tenant, "w-2", {"env": "new"})
    with store.transaction() as connection:
        connection.execute(
            delete(workspace).where(workspace.c.tenant == tenant, workspace.c.id == "w-3")
        )
    done = _undo(tenant, first["job_id"])
    assert done["counts"] == attached(total=6, added=3, present=1, failed=2)
    assert store.workspace_tags(tenant) == {
        ("w-1", "env", "of w-1", False), ("w-1", "env", "s", True),
        ("w-2", "env", "new", False), ("w-2", "env", "s", True),
    }  # fmt: skip
    assert {"key": "env", "value": "s", "workspaces": 2, "system": True} in done["tags"]
    assert {one["reason"] for one in done["errors"]} == {"w-3: There is no such workspace."}
    told = {receipts.item(row): row["outcome"] for row in receipts.read(UUID(done["job_id"]))}
    assert told["w-2", "env", "of w-2", False] == "present"
    store.workspace(tenant, "w-3")
    again = driving.retry(done["job_id"])
    assert again["counts"] == attached(total=6, added=5, present=1)
    assert ("w-3", "env", "of w-3", False) in store.workspace_tags(tenant)
    # what has another value by now is somebody else's
    store.workspace(tenant, "w-1", {"env": "changed"})
    redone = _undo(tenant, done["job_id"])
    assert redone["counts"] == counts(total=5, removed=4, absent=1)
    assert store.workspace_tags(tenant) == {
        ("w-1", "env", "changed", False), ("w-2", "env", "new", False),
    }  # fmt: skip


def test_all_runs_of_a_retried_job_are_undone(refusing: Store, tenant: str) -> None:
    store, ids = refusing, new_ids(6)
    store.tag(tenant, "t", tables=ids)
    receipts.keep(store, ids[:2])
    driving.chunk_size(4)
    first = driving.finish(driving.opened(driving.detach_job(tenant, ["t"], tables=ids)))
    assert first["status"] == "partial"
    receipts.keep(store, [])
    driving.retry(first["job_id"])
    assert store.links(tenant) == set()
    assert _undo(tenant, first["job_id"])["counts"] == attached(total=6, added=6)


def _refused(tenant: str, job_id: UUID | str, reason: str) -> None:
    """Assert that neither door lets the job be undone, and that both say why."""
    job = UndoJob.parse({"tenant": tenant, "job": str(job_id)})
    with pytest.raises((NoSuchJob, CannotUndo, Forgotten), match=reason):
        driving.record(job)
    done = driving.run(job)
    assert (done["status"], done["counts"]) == ("rejected", counts())
    assert [error["path"] for error in done["errors"]] == ["/job"]
    assert reason in done["errors"][0]["reason"]


@pytest.mark.slow
def test_what_cannot_be_undone_is_refused_in_words(store: Store, tenant: str) -> None:
    store.tag(tenant, "t", tables=new_ids(2))
    body = driving.detach_job(tenant, ["t"], tables=new_ids(2))
    preview = driving.run(driving.detach_job(tenant, ["t"], dry_run=True))["job_id"]
    _refused(tenant, preview, "was a dry run")
    _refused(tenant, uuid4(), "There is no job")
    waiting = driving.record(body)
    _refused(tenant, waiting, "has not ended yet")
    driving.run_recorded(waiting)
    _refused("another", waiting, "There is no job")
    rejected = driving.run(driving.attach_job(tenant, ["t"], tables=new_ids(2), max_affected=1))
    _refused(tenant, rejected["job_id"], "was rejected")
    with store.transaction() as connection:
        connection.execute(text("UPDATE job SET forgotten_at = finished_at"))
    _refused(tenant, waiting, "TAGSWEEP_KEEP_REMOVALS_DAYS")


def test_an_undo_outlives_the_record_of_what_it_undoes(store: Store, tenant: str) -> None:
    ids = new_ids(6)
    store.tag(tenant, "t", tables=ids)
    driving.chunk_size(4)
    first = driving.run(driving.detach_job(tenant, ["t"], tables=ids))
    undo = driving.record(UndoJob.parse({"tenant": tenant, "job": first["job_id"]}))
    driving.split(undo)
    with store.transaction() as connection:
        connection.execute(text("DELETE FROM removal"))
    assert driving.finish(undo)["counts"] == attached(total=6, added=6)
    assert len(store.links(tenant)) == 6
