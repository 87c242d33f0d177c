"""TagSweep, the door for Python programs: what it refuses, sends, and tells of a job."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep import TagSweep
from tagsweep.worker.errors import JobCancelled, JobRejected, TagsweepError
from tests.support.locks import held_link, wait_for_waiting
from tests.support.stack import (
    ServerStack,
    drop_connections,
    environment,
    eventually,
    messages_waiting,
    producing,
)
from tests.support.stores import (
    Store,
    adds_up,
    counts,
    new_ids,
    new_tenant,
)


def test_a_detach_comes_back_with_its_completion_data(
    server_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(3)
    server_stack.store.tag(tenant, "legacy", tables=ids[:2])
    with producing(server_stack) as sender:
        job = sender.detach(tenant=tenant, names=("legacy",), tables=map(UUID, ids))
        done = job.result(timeout=30)
        assert done["job_id"] == job.id
        assert done["counts"] == counts(total=3, removed=2, absent=1)
        assert sender.job(job.id).status() == "succeeded"


def test_a_delete_comes_back_with_its_completion_data(
    server_stack: ServerStack, tenant: str
) -> None:
    server_stack.store.workspace(tenant, "w-1", {"env": "dev"}, {"env": "dev"})
    with producing(server_stack) as sender:
        tags: Iterator[dict[str, str | None]] = ({"key": key} for key in ("env", "team"))
        workspaces = (name for name in ("w-1", "w-2"))
        job = sender.delete(
            tenant=tenant, workspaces=workspaces, tags=tags, sys_tags=[{"key": "env"}]
        )
        done = job.result(timeout=30)
    assert done["status"] == "partial"
    assert done["counts"] == counts(total=6, removed=2, absent=1, failed=3)


@pytest.mark.slow
def test_more_workspaces_than_one_message_holds_are_one_job(
    server_stack: ServerStack, tenant: str
) -> None:
    names = [f"w-{number}" for number in range(25_000)]
    for name in names[::5_000]:
        server_stack.store.workspace(tenant, name, {"env": "dev"})
    with producing(server_stack) as sender:
        job = sender.delete(tenant=tenant, workspaces=iter(names), tags=[{"key": "env"}])
        done = job.result(timeout=30)
    assert done["counts"] == counts(total=25_000, removed=5, failed=24_995)
    assert len(server_stack.events(job.id)) == 1


@pytest.mark.parametrize("how_many", [10, 25_000])
def test_the_same_id_again_is_the_same_job(
    server_stack: ServerStack, tenant: str, how_many: int
) -> None:
    ids, job_id = new_ids(how_many), uuid4()
    server_stack.store.tag(tenant, "legacy", tables=ids[:5])
    with producing(server_stack) as sender:
        asked: Any = {"tenant": tenant, "names": ["legacy"], "tables": ids, "job_id": job_id}
        first = sender.detach(**asked).result(timeout=30)
        assert sender.detach(**asked).result(timeout=30) == first
    assert first["job_id"] == str(job_id)
    assert first["counts"] == counts(total=how_many, removed=5, absent=how_many - 5)
    assert len(server_stack.events(str(job_id))) == 1


def test_a_cancelled_job_stops_and_tells(server_stack: ServerStack, tenant: str) -> None:
    ids = sorted(new_ids(60_000, seed=9))
    server_stack.store.tag(tenant, "legacy", tables=ids[30_000:30_001])
    with producing(server_stack) as sender:
        with held_link(server_stack.store, ids[30_000]):
            job = sender.detach(tenant=tenant, names=["legacy"], tables=ids)
            wait_for_waiting(server_stack.store)
            # another process may have come to the held link before the first chunk was committed
            eventually(lambda: job.status() == "running")
            job.cancel()
            eventually(lambda: server_stack.store.job(job.id).cancelling)
        try:
            job.result(timeout=30)
        except JobCancelled:
            status = "cancelled"
        else:
            status = "succeeded"
        assert job.status() == status
    (event,) = server_stack.events(job.id)
    assert event["data"]["status"] == status
    assert adds_up(event["data"])
    assert (event["data"]["counts"]["unprocessed"] > 0) == (status == "cancelled")


def knows_of_the_cancel(store: Store, job_id: str) -> bool:
    row = store.job(job_id)
    return row is not None and (row.cancelling or row.status == "cancelled")


def test_a_cancel_that_overtakes_its_job_is_not_lost(
    server_stack: ServerStack, tenant: str
) -> None:
    ids, job_id = sorted(new_ids(60_000, seed=10)), str(uuid4())
    server_stack.store.tag(tenant, "legacy", tables=ids[:1])
    with producing(server_stack) as sender:
        sender.job(job_id).cancel()
        with held_link(server_stack.store, ids[0]):
            sender.detach(tenant=tenant, names=["legacy"], tables=ids, job_id=job_id)
            # it may come before the held chunk, which is never begun then, or while that waits
            eventually(lambda: knows_of_the_cancel(server_stack.store, job_id))


def test_an_unknown_job_is_queued_as_far_as_anybody_knows(server_stack: ServerStack) -> None:
    with producing(server_stack) as sender:
        assert sender.job(uuid4()).status() == "queued"


def test_a_job_that_is_rejected_raises_with_the_reason(
    server_stack: ServerStack, tenant: str
) -> None:
    server_stack.store.tag(tenant, "legacy")
    with producing(server_stack) as sender:
        job = sender.detach(tenant=tenant, names=["legacy"])
        job.result(timeout=30)
        other = sender.detach(tenant=new_tenant(), names=["legacy"])
        other.result(timeout=30)
        with pytest.raises(JobRejected, match="names: This field is required"):
            server_stack.send("tags.detach", {"tenant": tenant}).get(timeout=30)


@pytest.mark.slow
def test_waiting_ends_after_the_timeout_and_the_job_goes_on(unheard: TagSweep) -> None:
    job = unheard.detach(tenant="acme", names=["legacy"])
    with pytest.raises(TimeoutError, match=f"{job.id} has not ended"):
        job.result(timeout=0.1)


@pytest.mark.slow
def test_without_a_worker_a_job_is_queued(unheard: TagSweep) -> None:
    assert unheard.detach(tenant="acme", names=["legacy"]).status() == "queued"


def test_without_a_result_backend_status_and_result_say_so(redis_url: str) -> None:
    sender = TagSweep(broker_url=redis_url, results_url="disabled://")
    job = sender.detach(tenant="acme", names=["legacy"])
    assert messages_waiting(redis_url) == 1
    for ask in (job.status, job.result):
        with pytest.raises(TagsweepError, match="no result backend"):
            ask()
    drop_connections(sender._app)


def test_threads_may_share_a_producer(server_stack: ServerStack) -> None:
    tenants = [new_tenant() for _ in range(24)]
    ids = new_ids(4)
    for tenant in tenants:
        server_stack.store.tag(tenant, "legacy", tables=ids)

    with producing(server_stack) as sender:

        def send(tenant: str) -> str:
            return sender.detach(tenant=tenant, names=["legacy"], tables=ids).id

        with ThreadPoolExecutor(8) as pool:
            sent = list(pool.map(send, tenants))
    assert len(set(sent)) == len(sent)
    for tenant in tenants:
        eventually(partial(_is_empty, server_stack, tenant))


def _is_empty(stack: ServerStack, tenant: str) -> bool:
    return not stack.store.links(tenant)


MILLION = """if True:
    import resource
    from tagsweep import TagSweep

    def ids():
        for n in range(1_000_000):
            yield f"{n * 4001 % 2**32:08x}-0000-4000-8000-{n:012x}"

    def peak_mb():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    sender = TagSweep()
    sender.detach(tenant="acme", names=["legacy"])
    before = peak_mb()
    sender.detach(tenant="acme", names=["legacy"], tables=ids())
    print(round(peak_mb() - before))
"""


@pytest.mark.slow
def test_a_million_ids_from_a_generator_take_little_memory(redis_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MILLION],
        env=environment(broker_url=redis_url),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # 16 bytes an id would be 16 MB; a part of 100,000 on its way takes a few times 2.1 MB
    assert int(done.stdout) < 60
    assert messages_waiting(redis_url) == 11
    # a small job that is sent now does not wait behind them
    assert messages_waiting(redis_url, "tagsweep.parts") == 10


def test_importing_the_producer_needs_no_database_driver() -> None:
    program = """if True:
        import sys
        import tagsweep
        tagsweep.TagSweep
        wrong = {"sqlalchemy", "psycopg", "sqlite3", "alembic", "_sqlite3"} & set(sys.modules)
        sys.exit(f"imported: {wrong}" if wrong else 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
