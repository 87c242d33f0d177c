"""Detach jobs at their bounds: nothing to do, very much to do, and tags that go meanwhile."""

from __future__ import annotations

import pytest

from tagsweep.worker.models.jobs import UndoJob
from tests.support import driving
from tests.support.stack import Stack
from tests.support.stores import (
    Store,
    adds_up,
    counts,
    new_ids,
)

NO_LIST = pytest.mark.not_mapped("without a list, which is about tagsweep's own tables")


@pytest.mark.parametrize(
    "lists", [pytest.param({}, marks=NO_LIST), {"tables": []}, {"sources": [], "volumes": []}]
)
def test_without_ids_the_matched_tags_are_told_and_nothing_changes(
    stack: Stack, tenant: str, lists: dict[str, list[str]]
) -> None:
    stack.store.tag(tenant, "legacy", tables=new_ids(2))
    before = stack.store.tags(tenant), stack.store.links(tenant)
    done = stack.detach(tenant, ["legacy"], **lists)
    assert (done["status"], done["counts"]) == ("succeeded", counts())
    assert [tag["name"] for tag in done["tags"]] == ["legacy"]
    assert (stack.store.tags(tenant), stack.store.links(tenant)) == before


def test_without_names_nothing_is_matched_and_nothing_changes(stack: Stack, tenant: str) -> None:
    ids = new_ids(2)
    stack.store.tag(tenant, "legacy", tables=ids)
    done = stack.detach(tenant, [], tables=ids)
    assert (done["status"], done["tags"], done["counts"]) == ("succeeded", [], counts())
    assert len(stack.store.links(tenant)) == 2


def test_a_job_of_many_chunks_comes_to_one_end(stack: Stack, tenant: str) -> None:
    ids = new_ids(25_000, seed=7)
    stack.store.tag(tenant, "legacy", tables=ids[::2])
    stack.store.tag(tenant, "other", folders=ids[:100])
    done = stack.detach(tenant, ["legacy", "other"], tables=ids, folders=ids[:200])
    assert done["counts"] == counts(total=50_400, removed=12_600, absent=37_800)
    assert adds_up(done)
    assert stack.store.links(tenant) == set()
    assert len(stack.events(done["job_id"])) == 1
    assert len(stack.store.chunks(done["job_id"])) > 1


def test_an_option_at_its_default_may_be_written_out(stack: Stack, tenant: str) -> None:
    ids = new_ids(1)
    stack.store.tag(tenant, "legacy", tables=ids)
    done = stack.detach(tenant, ["legacy"], tables=ids, dry_run=False, max_affected=None)
    assert done["counts"] == counts(total=1, removed=1)


def test_a_tag_that_goes_meanwhile_is_absent_not_an_error(stack: Stack, tenant: str) -> None:
    ids = new_ids(1)
    stack.store.tag(tenant, "legacy", tables=ids)
    stack.detach(tenant, ["legacy"], tables=ids)
    stack.store.remove_tag(tenant, "legacy")
    done = stack.detach(tenant, ["legacy"], tables=ids)
    assert (done["status"], done["tags"], done["counts"]) == ("succeeded", [], counts())


@pytest.mark.slow
def test_the_lists_of_a_job_are_let_go_of_once_it_is_split(store: Store, tenant: str) -> None:
    """Also where nothing carries its tags, and of a job that needs no lists."""
    ids = new_ids(3)
    store.tag(tenant, "legacy", tables=ids)
    detached = driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
    unmatched = driving.record(driving.detach_job(tenant, ["unknown"], tables=ids))
    for job_id in (detached, unmatched):
        driving.run_recorded(job_id)
    undone = driving.record(UndoJob.parse({"tenant": tenant, "job": str(detached)}))
    assert driving.run_recorded(undone)["status"] == "succeeded"
    for job_id in (detached, unmatched, undone):
        assert store.parts(job_id) == []
