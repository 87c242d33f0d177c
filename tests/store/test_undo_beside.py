"""The undo of one job beside another job on the same links: what comes back is not the other's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.tasks import sweep
from tests.support import driving, receipts
from tests.support.stores import Store, counts, new_tenant
from tests.support.worlds import IDS, examples

some = st.sets(st.sampled_from(IDS), min_size=1)
#: how many chunks are applied before the other job is accepted, split and applied
steps = st.tuples(*[st.integers(0, 4)] * 3)


def _apply(how_many: int) -> None:
    """Apply a chunk so many times, of whichever job's turn it is, as long as any is open."""
    for _ in range(how_many):
        sweep.apply_next()


def _objects(store: Store, tenant: str) -> set[str]:
    return {one for _, _, one in store.links(tenant)}


@pytest.mark.mapped_core
@pytest.mark.slow
@settings(examples, max_examples=25)
@given(first=some, second=some | st.just("*"), most=st.integers(1, 5), steps=steps)
def test_a_running_job_spares_what_an_undo_put_back_since_its_acceptance(
    store: Store, first: set[str], second: set[str] | str, most: int, steps: tuple[int, int, int]
) -> None:
    before, waits, between = steps
    tenant = new_tenant()
    store.tag(tenant, "a", tables=IDS)
    driving.chunk_size(most)
    gone = driving.run(driving.detach_job(tenant, ["a"], tables=sorted(first)))
    undo = driving.opened(UndoJob.parse({"tenant": tenant, "job": gone["job_id"]}))
    _apply(before)
    there = _objects(store, tenant)
    lists = second if isinstance(second, str) else sorted(second)
    other = driving.record(driving.detach_job(tenant, ["a"], tables=lists))
    _apply(waits)
    driving.split(other)
    _apply(between)
    done, undone = driving.finish(other), driving.finish(undo)
    theirs = there if isinstance(second, str) else there & second
    assert _objects(store, tenant) == (there - theirs) | (first - there)
    if isinstance(second, str):
        assert done["counts"] == counts(total=len(theirs), removed=len(theirs))
        assert done["remaining"] <= len(first - there)  # the undo may still be running
    else:
        absent = len(second - theirs)
        assert done["counts"] == counts(total=len(second), removed=len(theirs), absent=absent)
    assert undone["counts"]["added"] == len(first)
    told = receipts.agrees(store, other)
    assert {row["resource"] for row in told if row["outcome"] == "removed"} == theirs
    again = driving.record(UndoJob.parse({"tenant": tenant, "job": str(other)}))
    assert driving.run_recorded(again)["counts"]["added"] == len(theirs)
    assert _objects(store, tenant) == set(IDS)
