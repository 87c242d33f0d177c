"""What large jobs save themselves: pruning between chunks, and waiting for the disk."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import event, text

from tagsweep.worker import database
from tagsweep.worker.database import pruning
from tagsweep.worker.tasks import sweep
from tests.support import driving
from tests.support.stack import eventually
from tests.support.stores import Store, new_ids, new_tenant

#: behind a pooler none is kept
pytestmark = [pytest.mark.integration, pytest.mark.default_configuration]

_KEPT = text("""
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction' AND backend_xmin IS NOT NULL
""")


def kept(store: Store) -> list[int]:
    """Return the sessions that keep a snapshot and do nothing."""
    with store.transaction() as connection:
        return list(connection.execute(_KEPT).scalars())


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEEP_S", 0.5)
    monkeypatch.setattr(pruning, "_since", 0.0)


def opened(store: Store, chunks: int) -> None:
    """Open a job of so many chunks."""
    tenant, ids = new_tenant(), new_ids(2 * chunks)
    store.tag(tenant, "legacy", tables=ids)
    driving.chunk_size(2)
    driving.opened(driving.detach_job(tenant, ["legacy"], tables=ids))


@pytest.mark.slow
def test_a_snapshot_is_kept_while_chunks_follow_and_no_longer(postgres_store: Store) -> None:
    opened(postgres_store, chunks=3)
    sweep.apply_next()
    assert len(kept(postgres_store)) == 1
    sweep.apply_next()
    assert len(kept(postgres_store)) == 1
    eventually(lambda: not kept(postgres_store), seconds=5)
    assert sweep.apply_next()
    assert kept(postgres_store) == []  # the last one has nothing behind it


def test_the_server_may_end_it_at_any_time(postgres_store: Store) -> None:
    opened(postgres_store, chunks=3)
    sweep.apply_next()
    with postgres_store.transaction() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM ({_KEPT}) AS kept"))
    eventually(lambda: not kept(postgres_store))
    pruning._since = 0.0
    jobs = [sweep.apply_next(), sweep.apply_next()]
    assert [job.status for job in jobs if job] == ["running", "succeeded"]


@pytest.mark.slow
def test_a_process_that_ends_meanwhile_lets_it_go_and_says_nothing(postgres_store: Store) -> None:
    opened(postgres_store, chunks=3)
    code = "from tagsweep.worker.tasks import sweep; assert sweep.apply_next()"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_small_job_keeps_none(postgres_store: Store) -> None:
    opened(postgres_store, chunks=1)
    assert sweep.apply_next()
    assert kept(postgres_store) == []


def test_only_what_is_told_waits_for_the_disk(postgres_store: Store) -> None:
    opened(postgres_store, chunks=3)
    found: list[str] = []

    def note(connection: Any) -> None:
        found.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())

    event.listen(database.engine(), "commit", note)
    try:
        ends = [sweep.apply_next() for _ in range(3)]
    finally:
        event.remove(database.engine(), "commit", note)
    assert [job.ended for job in ends if job] == [False, False, True]
    assert found == ["off", "off", "on"]
