"""Cancelling: no further chunk begins, what is done stays done and is told."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tagsweep.worker import database
from tagsweep.worker.errors import NoSuchJob
from tagsweep.worker.jobs import control, lifecycle, scheduling
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.store import KINDS
from tagsweep.worker.tasks import sweep
from tests.support import driving
from tests.support.stack import ServerStack
from tests.support.stores import Store, counts, new_ids

pytestmark = pytest.mark.mapped


def _cancel(job_id: UUID) -> JobRecord:
    with database.transaction() as connection:
        return control.cancel(connection, job_id)


def _three_chunks(store: Store, tenant: str) -> UUID:
    ids = sorted(new_ids(6))
    store.tag(tenant, "legacy", tables=ids)
    driving.chunk_size(2)
    return driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids))


def test_before_it_is_split_a_job_ends_with_nothing_done(store: Store, tenant: str) -> None:
    ids = new_ids(2)
    store.tag(tenant, "legacy", tables=ids)
    job_id = driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
    assert _cancel(job_id).status == "cancelled"
    done = driving.finish(job_id)
    assert (done["status"], done["counts"], done["tags"]) == ("cancelled", counts(), [])
    assert len(store.links(tenant)) == 2


def test_in_the_middle_what_is_done_stays_done(store: Store, tenant: str) -> None:
    job_id = _three_chunks(store, tenant)
    sweep.apply_next()
    assert _cancel(job_id).status == "cancelled"
    assert sweep.apply_next() is None
    done = driving.finish(job_id)
    assert done["counts"] == counts(total=6, removed=2, unprocessed=4)
    assert [tag["name"] for tag in done["tags"]] == ["legacy"]
    assert len(store.links(tenant)) == 4


def test_the_chunk_in_hand_is_finished_and_ends_the_job(postgres_store: Store, tenant: str) -> None:
    job_id = _three_chunks(postgres_store, tenant)
    with database.transaction() as connection:
        claimed = scheduling.claim(connection)
        assert claimed is not None
        assert _cancel(job_id).status == "running"
        job, chunk = claimed
        outcome = KINDS["detach"].apply(connection, job, chunk)
        ended = lifecycle.close(connection, job, chunk, outcome)
    assert (ended.status, ended.open, ended.ends) == ("cancelled", 0, 1)
    done = driving.finish(job_id)
    assert done["counts"] == counts(total=6, removed=2, unprocessed=4)


def test_where_the_chunk_in_hand_was_the_last_the_job_has_succeeded(
    postgres_store: Store, tenant: str
) -> None:
    job_id = _three_chunks(postgres_store, tenant)
    sweep.apply_next()
    sweep.apply_next()
    with database.transaction() as connection:
        claimed = scheduling.claim(connection)
        assert claimed is not None
        _cancel(job_id)
        job, chunk = claimed
        outcome = KINDS["detach"].apply(connection, job, chunk)
        lifecycle.close(connection, job, chunk, outcome)
    done = driving.finish(job_id)
    assert (done["status"], done["counts"]) == ("succeeded", counts(total=6, removed=6))


def test_after_its_end_a_job_stays_as_it_is(store: Store, tenant: str) -> None:
    job_id = _three_chunks(store, tenant)
    done = driving.finish(job_id)
    assert _cancel(job_id).status == "succeeded"
    assert driving.finish(job_id) == done
    assert len(store.outbox(job_id)) == 1


def test_a_cancelled_job_cancelled_again_ends_once(store: Store, tenant: str) -> None:
    job_id = _three_chunks(store, tenant)
    _cancel(job_id)
    assert _cancel(job_id).ends == 1
    assert len(store.outbox(job_id)) == 1


def test_an_unknown_job_cannot_be_cancelled(store: Store) -> None:
    assert store.outbox() == []
    with pytest.raises(NoSuchJob):
        _cancel(uuid4())


def test_a_cancellation_is_as_old_as_its_first_look(store: Store) -> None:
    assert store.outbox() == []
    message = str(uuid4())
    for seconds, is_old in ((20, False), (20, False), (0, True)):
        with database.transaction() as connection:
            assert control.has_looked_for(connection, message, seconds) is is_old


def test_cancels_of_unknown_jobs_hold_up_no_job(server_stack: ServerStack, tenant: str) -> None:
    ids = new_ids(1)
    server_stack.store.tag(tenant, "legacy", tables=ids)
    for _ in range(40):
        server_stack.send("tags.cancel", str(uuid4()))
    job = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    answer = server_stack.send("tags.detach", job).get(timeout=10)
    assert answer["status"] == "succeeded"
