"""Set jobs, from a message to the answer, alike on every stack."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete

from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.models.jobs import SetJob, UndoJob, parse_job
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import workspace
from tests.support import driving, receipts
from tests.support.stack import Stack
from tests.support.stores import Store, new_tenant

ENV = {"key": "env", "value": "prod"}


def was_set(**some: int) -> dict[str, int]:
    """Return the counts of a set; those not given are 0."""
    names = ("total", "set", "unchanged", "failed", "unprocessed")
    return {name: some.get(name, 0) for name in names}


def do(tenant: str, workspaces: list[str] | str, *tags: dict[str, str], **more: Any) -> Any:
    """Run a set job here; return its completion data."""
    body = {"tenant": tenant, "workspaces": workspaces, "tags": [*tags], **more}
    return driving.run(SetJob.parse(body))


def undo(tenant: str, job: Any) -> Any:
    """Undo a job here; return the completion data."""
    return driving.run(UndoJob.parse({"tenant": tenant, "job": job["job_id"]}))


def test_each_workspace_gets_the_tags(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev", "same": "x"}, {"env": "system"})
    stack.store.workspace(tenant, "w-2")
    body = {"workspaces": ["w-1", "w-2"], "tags": [ENV, {"key": "same", "value": "x"}]}
    done = stack.run("tags.set", {"tenant": tenant, **body})
    assert (done["status"], done["kind"]) == ("succeeded", "set")
    assert done["counts"] == was_set(total=4, set=3, unchanged=1)
    assert done["tags"] == [
        {"key": "env", "value": "prod", "workspaces": 2},
        {"key": "same", "value": "x", "workspaces": 1},
    ]
    assert stack.store.workspace_tags(tenant) == {
        ("w-1", "env", "prod", False),
        ("w-1", "env", "system", True),
        ("w-1", "same", "x", False),
        ("w-2", "env", "prod", False),
        ("w-2", "same", "x", False),
    }
    (event,) = stack.events(done["job_id"])
    assert event["type"] == "tagsweep.set.completed"


def test_every_item_of_an_unknown_workspace_is_failed(store: Store, tenant: str) -> None:
    other = new_tenant()
    store.workspace(tenant, "w-1")
    store.workspace(other, "w-2")
    done = do(tenant, ["w-1", "w-2"], ENV, sys_tags=[{"key": "env", "value": ""}])
    assert (done["status"], done["counts"]) == ("partial", was_set(total=4, set=2, failed=2))
    assert {error["code"] for error in done["errors"]} == {"unknown_workspace"}
    assert store.workspaces(tenant) == {"w-1"}
    assert store.workspace_tags(other) == set()


def test_a_receipt_has_value_and_previous(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w-1", {"env": "dev"})
    store.workspace(tenant, "w-2", {"env": "prod"})
    store.workspace(tenant, "w-3")
    done = do(tenant, ["w-1", "w-2", "w-3"], ENV)
    rows = receipts.agrees(store, UUID(done["job_id"]))
    told = [(row["workspace"], row["value"], row["previous"], row["outcome"]) for row in rows]
    assert told == [
        ("w-1", "prod", "dev", "set"),
        ("w-2", "prod", None, "unchanged"),
        ("w-3", "prod", None, "set"),
    ]
    undone = undo(tenant, done)
    assert undone["counts"] == was_set(total=2, set=2)
    rows = receipts.agrees(store, UUID(undone["job_id"]))
    told = [(row["workspace"], row["value"], row["previous"], row["outcome"]) for row in rows]
    assert told == [("w-1", "dev", "prod", "set"), ("w-3", None, "prod", "set")]


def test_a_key_set_anew_after_the_acceptance_keeps_its_value(store: Store, tenant: str) -> None:
    for name in ("w-1", "w-2"):
        store.workspace(tenant, name, {"env": "dev"})
    job_id = driving.record(SetJob.parse({"tenant": tenant, "workspaces": "*", "tags": [ENV]}))
    store.workspace(tenant, "w-1", {"env": "later"})
    done = driving.run_recorded(job_id)
    assert done["counts"] == was_set(total=2, set=1, unchanged=1)
    assert done["remaining"] == 1
    (spared,) = receipts.read(job_id, "unchanged")
    assert "set later" in spared["reason"]
    assert ("w-1", "env", "later", False) in store.workspace_tags(tenant)


def test_an_undo_leaves_what_has_another_value_by_now(store: Store, tenant: str) -> None:
    for name in ("w-1", "w-2", "w-3"):
        store.workspace(tenant, name, {"env": "dev"})
    done = do(tenant, "*", ENV)
    store.workspace(tenant, "w-1", {"env": "other"})
    do(tenant, ["w-2"], {"key": "env", "value": "x"})
    do(tenant, ["w-2"], ENV)  # the same value, but somebody else's by now
    undone = undo(tenant, done)
    assert undone["counts"] == was_set(total=3, set=1, unchanged=2)
    assert store.workspace_tags(tenant) == {
        ("w-1", "env", "other", False),
        ("w-2", "env", "prod", False),
        ("w-3", "env", "dev", False),
    }


def test_of_a_workspace_that_is_gone_an_undone_undo_fails(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w-1")
    undone = undo(tenant, do(tenant, ["w-1"], ENV))
    with store.transaction() as connection:
        connection.execute(delete(workspace).where(workspace.c.tenant == tenant))
    assert undo(tenant, undone)["counts"] == was_set(total=1, failed=1)


def test_a_run_leaves_what_was_set_since_its_preview(store: Store, tenant: str) -> None:
    for name in ("w-1", "w-2"):
        store.workspace(tenant, name, {"env": "dev"})
    preview = do(tenant, "*", ENV, dry_run=True)
    store.workspace(tenant, "w-2", {"env": "later"})
    store.workspace(tenant, "w-3")
    wanted = RunRequest.parse({"tenant": tenant, "job": preview["job_id"]})
    with database.transaction() as connection:
        job_id = runs.record(connection, wanted)[0].id
    assert driving.run_recorded(job_id)["counts"] == was_set(total=2, set=1, unchanged=1)
    assert {value for _, _, value, _ in store.workspace_tags(tenant)} == {"prod", "later"}
    assert ("w-3", "env", "prod", False) not in store.workspace_tags(tenant)


def test_a_run_that_would_set_more_than_its_preview_has_shown_is_rejected(
    store: Store, tenant: str
) -> None:
    store.workspace(tenant, "w-1", {"env": "dev"})
    store.workspace(tenant, "w-2", {"env": "prod"})
    preview = do(tenant, "*", ENV, dry_run=True)
    assert preview["counts"] == was_set(total=2, set=1, unchanged=1)
    driving.run(driving.delete_job(tenant, ["w-2"], "env"))
    wanted = RunRequest.parse({"tenant": tenant, "job": preview["job_id"]})
    with database.transaction() as connection:
        job_id = runs.record(connection, wanted)[0].id
    refused = driving.run_recorded(job_id)
    (error,) = refused["errors"]
    assert (refused["status"], error["code"], error["would_set"]) == ("rejected", "max_affected", 2)
    assert store.workspace_tags(tenant) == {("w-1", "env", "dev", False)}


@pytest.mark.parametrize(
    "body, path, code",
    [
        ({}, "", "required"),
        ({"tags": [{"key": "a"}]}, "/tags/0/value", "required"),
        ({"tags": [{"key": "a", "value": None}]}, "/tags/0/value", "null"),
        ({"tags": [{"value": "a"}]}, "/tags/0/key", "required"),
        ({"tags": [{"key": " ", "value": "a"}]}, "/tags/0/key", "blank"),
        ({"tags": [{"key": "k" * 256, "value": "a"}]}, "/tags/0/key", "max_length"),
        ({"tags": [{"key": "k", "value": "v" * 1_025}]}, "/tags/0/value", "max_length"),
        ({"tags": [ENV, {"key": "env", "value": "dev"}]}, "/tags/1", "duplicate_key"),
        ({"sys_tags": [ENV, {"key": "env", "value": "dev"}]}, "/sys_tags/1", "duplicate_key"),
        ({"tags": [ENV], "names": ["a"]}, "/names", "unknown_field"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        parse_job({"kind": "set", "tenant": "p-1", "workspaces": ["w-1"], **body})
    (error,) = caught.value.errors
    assert (error["path"], error["code"]) == (path, code)


def test_the_same_tag_twice_counts_once(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w-1")
    assert do(tenant, ["w-1", "w-1"], ENV, ENV)["counts"] == was_set(total=1, set=1)
