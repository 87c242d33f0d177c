"""Whichever transaction closes the last chunk ends the job, and only that one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.jobs import lifecycle, scheduling
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.store import KINDS
from tagsweep.worker.tasks import sweep
from tests.support import driving
from tests.support.locks import wait_for_waiting
from tests.support.stores import (
    Store,
    adds_up,
    counts,
    new_ids,
)


def _two_chunks(store: Store, tenant: str) -> UUID:
    ids = sorted(new_ids(4))
    store.tag(tenant, "legacy", tables=ids[::2])
    driving.chunk_size(2)
    return driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids))


def test_the_last_chunk_closes_the_job(store: Store, tenant: str) -> None:
    job_id = _two_chunks(store, tenant)
    first = sweep.apply_next()
    assert first is not None
    assert (first.status, first.open) == ("running", 1)
    assert store.outbox(job_id) == []
    last = sweep.apply_next()
    assert last is not None
    assert (last.status, last.open, last.ends) == ("succeeded", 0, 1)
    assert len(store.outbox(job_id)) == 1
    assert sweep.apply_next() is None


def test_two_that_close_the_last_two_chunks_at_once_end_the_job_once(
    postgres_store: Store, tenant: str
) -> None:
    job_id = _two_chunks(postgres_store, tenant)

    def close_the_other() -> JobRecord | None:
        return sweep.apply_next()

    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            claimed = scheduling.claim(connection)
            assert claimed is not None
            job, chunk = claimed
            outcome = KINDS["detach"].apply(connection, job, chunk)
            mine = lifecycle.close(connection, job, chunk, outcome)
            other = pool.submit(close_the_other)
            wait_for_waiting(postgres_store)
        theirs = other.result(timeout=30)
    assert theirs is not None
    assert (mine.open, theirs.open) == (1, 0)
    assert postgres_store.job(job_id).ends == 1
    assert driving.finish(job_id)["counts"] == counts(total=4, removed=2, absent=2)
    assert len(postgres_store.outbox(job_id)) == 1


def test_ten_workers_at_once_apply_each_chunk_once(store: Store, tenant: str) -> None:
    ids = new_ids(200)
    store.tag(tenant, "legacy", tables=ids[:90])
    driving.chunk_size(5)
    job_id = driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids))

    def work(_: int) -> int:
        applied = 0
        while sweep.apply_next():
            applied += 1
        return applied

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(work, range(10))) == 40
    done = driving.finish(job_id)
    assert done["counts"] == counts(total=200, removed=90, absent=110)
    assert store.job(job_id).ends == 1
    assert len(store.outbox(job_id)) == 1


def test_two_jobs_of_the_same_links_remove_each_of_them_once(
    postgres_store: Store, tenant: str
) -> None:
    ids = new_ids(3)
    postgres_store.tag(tenant, "legacy", tables=ids)
    jobs = [
        driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids, volumes=more))
        for more in ([], new_ids(1))
    ]
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            claimed = scheduling.claim(connection)
            assert claimed is not None
            _apply(connection, *claimed)
            other = pool.submit(sweep.apply_next)
            wait_for_waiting(postgres_store)
        other.result(timeout=30)
    ends = [driving.finish(job_id) for job_id in jobs]
    assert sum(done["counts"]["removed"] for done in ends) == 3
    assert all(adds_up(done) for done in ends)
    assert postgres_store.links(tenant) == set()


def _apply(connection: Connection, job: JobRecord, chunk: Chunk) -> None:
    lifecycle.close(connection, job, chunk, KINDS[job.kind].apply(connection, job, chunk))


def test_a_chunk_that_was_rolled_back_is_open_again_at_once(store: Store, tenant: str) -> None:
    job_id = _two_chunks(store, tenant)
    links = store.links(tenant)
    with ExitStack() as undone:
        connection = undone.enter_context(database.engine().connect())
        with connection.begin() as transaction:
            claimed = scheduling.claim(connection)
            assert claimed is not None
            _apply(connection, *claimed)
            transaction.rollback()
    assert store.links(tenant) == links
    assert store.job(job_id).open == 2
    assert driving.finish(job_id)["counts"] == counts(total=4, removed=2, absent=2)
