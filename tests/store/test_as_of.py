"""A job removes what was there when it was accepted; what comes later is not its to remove."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tagsweep.worker import database
from tagsweep.worker.jobs import parts, queries, recording, scheduling
from tagsweep.worker.store import delete, detach
from tagsweep.worker.tasks import start
from tests.support import driving, receipts
from tests.support.stores import Store, counts, new_ids

pytestmark = pytest.mark.mapped_core


@pytest.mark.parametrize("repeat", range(5))
def test_a_link_attached_after_acceptance_is_left_alone(
    store: Store, tenant: str, repeat: int
) -> None:
    before, after = new_ids(2)
    store.tag(tenant, "legacy", tables=[before])
    job_id = driving.record(driving.detach_job(tenant, ["legacy"], tables=[before, after]))
    store.tag(tenant, "legacy", tables=[after])
    if repeat % 2:
        driving.split(job_id)
    done = driving.run_recorded(job_id) if not repeat % 2 else driving.finish(job_id)
    assert done["counts"] == counts(total=2, removed=1, absent=1)
    assert store.links(tenant) == {("legacy", "tables", after)}


def test_a_link_attached_just_before_is_removed(store: Store, tenant: str) -> None:
    for _ in range(20):
        ids = new_ids(1)
        store.tag(tenant, "legacy", tables=ids)
        done = driving.run(driving.detach_job(tenant, ["legacy"], tables=ids))
        assert done["counts"] == counts(total=1, removed=1)


def test_a_link_attached_again_in_the_middle_of_the_job_is_left_alone(
    store: Store, tenant: str
) -> None:
    ids = sorted(new_ids(4))
    store.tag(tenant, "legacy", tables=ids)
    driving.chunk_size(2)
    job_id = driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids))
    store.tag(tenant, "legacy", tables=new_ids(1))
    kept = store.links(tenant) - {("legacy", "tables", one) for one in ids}
    done = driving.finish(job_id)
    assert done["counts"] == counts(total=4, removed=4)
    assert store.links(tenant) == kept


def test_attaching_what_is_there_does_not_make_it_newer(store: Store, tenant: str) -> None:
    ids = new_ids(1)
    store.tag(tenant, "legacy", tables=ids)
    job_id = driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
    store.tag(tenant, "legacy", tables=ids)
    assert driving.run_recorded(job_id)["counts"] == counts(total=1, removed=1)


def test_a_workspace_tag_set_anew_after_acceptance_is_left_alone(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w-1", {"env": "dev", "team": "a"})
    job_id = driving.record(driving.delete_job(tenant, ["w-1"], "env", "team", "new"))
    store.workspace(tenant, "w-1", {"env": "prod", "team": "a", "new": "x"})
    done = driving.run_recorded(job_id)
    assert done["counts"] == counts(total=3, removed=1, absent=2)
    left = {(key, value) for _, key, value, _ in store.workspace_tags(tenant)}
    assert left == {("env", "prod"), ("new", "x")}


def test_the_time_of_acceptance_is_that_of_recording_not_of_the_transaction_s_start(
    postgres_store: Store, tenant: str
) -> None:
    ids = new_ids(1)
    job = driving.detach_job(tenant, ["legacy"], tables=ids)
    job_id = uuid4()
    with database.transaction() as connection:
        scheduling.any_open(connection)  # the transaction has begun
        postgres_store.tag(tenant, "legacy", tables=ids)
        recording.record(connection, job_id, job)
        recorded = queries.lock(connection, job_id)
        start.start(connection, recorded, parts.lists_of(job))
    assert driving.finish(job_id)["counts"] == counts(total=1, removed=1)


def test_an_attach_while_it_runs_is_its_own(store: Store, tenant: str) -> None:
    """What one job adds after another was accepted, that one leaves alone."""
    store.tag(tenant, "a", tables=new_ids(3))
    job_id = driving.opened(driving.detach_job(tenant, ["a"], tables="*"))
    driving.run(driving.attach_job(tenant, ["a"], tables=new_ids(2)))
    done = driving.finish(job_id)
    assert (done["counts"], done["remaining"]) == (counts(total=3, removed=3), 2)


def test_the_receipt_of_a_list_tells_what_is_there_but_younger(store: Store, tenant: str) -> None:
    gone, younger, never = new_ids(3)
    store.tag(tenant, "legacy", tables=[gone])
    store.tag(tenant, "old", tables=[gone])
    job_id = driving.record(
        driving.detach_job(tenant, ["legacy", "old"], tables=[gone, younger, never])
    )
    store.tag(tenant, "legacy", tables=[younger])
    driving.run_recorded(job_id)
    told = {(row["tag"], row["resource"]): row for row in receipts.read(job_id)}
    spared = told.pop(("legacy", younger))
    assert spared["outcome"] == "absent"
    assert spared["reason"] == detach.SPARED["younger"]
    assert [row["reason"] for row in told.values()] == [None] * 5


def test_the_receipt_of_workspaces_tells_what_is_there_but_younger(
    store: Store, tenant: str
) -> None:
    for name in ("w-1", "w-2", "w-3"):
        store.workspace(tenant, name, {"env": "dev"} if name == "w-1" else {})
    job_id = driving.record(driving.delete_job(tenant, ["w-1", "w-2", "w-3"], "env", "team"))
    store.workspace(tenant, "w-2", {"env": "dev"})
    driving.run_recorded(job_id)
    told = {(row["workspace"], row["key"]): row for row in receipts.read(job_id)}
    spared = told.pop(("w-2", "env"))
    assert (spared["outcome"], spared["reason"]) == ("absent", delete.YOUNGER)
    assert [row["reason"] for row in told.values()] == [None] * 5
