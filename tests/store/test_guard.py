"""The guard: where more would be changed than allowed, nothing is, not even partly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagsweep import TagSweep
from tagsweep.worker.errors import InvalidJob, JobRejected, NothingToRetry
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.models.views import words
from tests.support import driving
from tests.support.cli import CommandLine, ids
from tests.support.driving import attach_job, detach_job
from tests.support.gateway import Gateway, ended
from tests.support.stack import Stack
from tests.support.stores import (
    Store,
    attached,
    counts,
    new_ids,
)
from tests.support.worlds import World, examples, worlds


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command in an empty folder, everything embedded."""
    return CommandLine(tmp_path)


WOULD = {"attach": "would_add", "set": "would_set", "merge": "would_move"}


def _changed(world: World, done: dict[str, Any]) -> int:
    """Return how many items a job has changed; of a merge, those that were there already too."""
    told = done["counts"]
    return int(told[words(world.kind)[0]] + (told["present"] if world.kind == "merge" else 0))


@pytest.mark.slow
@examples
@given(
    world=worlds("detach", "delete", "set", "merge", every=True) | worlds("attach"),
    stored=st.booleans(),
    off=st.integers(-2, 1),
    dry_run=st.booleans(),
)
def test_it_trips_exactly_where_more_would_be_changed(
    store: Store, world: World, off: int, *, stored: bool, dry_run: bool
) -> None:
    world.fill(store)
    would = _changed(world, world.run(dry_run=True))
    before = world.state(store)
    limit = max(0, would + off)
    done = world.run(stored=stored, max_affected=limit, dry_run=dry_run)
    if would <= limit:
        assert (_changed(world, done), "max_affected" in str(done["errors"])) == (would, False)
        return
    told = done["counts"]
    (error,) = done["errors"]
    assert (done["status"], told["unprocessed"]) == ("rejected", told["total"])
    assert error["code"] == "max_affected"
    member = WOULD.get(world.kind, "would_remove")
    assert error[member] == would
    assert world.state(store) == before


@pytest.mark.parametrize("chunk_size", [1_000, 3])
def test_nothing_is_changed_not_even_partly(store: Store, tenant: str, chunk_size: int) -> None:
    some = new_ids(20)
    store.tag(tenant, "legacy", tables=some[:10])
    before = store.tags(tenant)
    driving.chunk_size(chunk_size)
    done = driving.run(detach_job(tenant, ["legacy"], tables=some, max_affected=9))
    assert (done["status"], done["counts"]) == ("rejected", counts(total=20, unprocessed=20))
    (error,) = done["errors"]
    assert (error["path"], error["code"], error["would_remove"]) == (
        "/max_affected",
        "max_affected",
        10,
    )
    assert error["reason"].startswith(
        "10 items would be removed, and at most 9 may be: nothing was"
    )
    assert (store.tags(tenant), len(store.links(tenant))) == (before, 10)
    with pytest.raises(NothingToRetry):
        driving.retry(done["job_id"])


def test_a_guarded_attach_creates_no_tag(store: Store, tenant: str) -> None:
    job = attach_job(tenant, ["new"], tables=new_ids(3), max_affected=2)
    done = driving.run(job)
    assert done["counts"] == attached(total=3, unprocessed=3)
    assert [error.get("would_add") for error in done["errors"]] == [3]
    assert store.tags(tenant) == {}


def test_who_waits_for_a_guarded_job_is_told(stack: Stack, tenant: str) -> None:
    some = new_ids(3)
    stack.store.tag(tenant, "legacy", tables=some)
    body: dict[str, Any] = {
        "tenant": tenant,
        "names": ["legacy"],
        "tables": some,
        "max_affected": 2,
    }
    with pytest.raises(JobRejected, match="3 items would be removed, and at most 2 may be"):
        stack.send("tags.detach", body).get(timeout=30)
    assert stack.detach(**{**body, "max_affected": 3})["counts"]["removed"] == 3


@pytest.mark.slow
def test_the_command_exits_with_1_where_its_guard_trips(run: CommandLine) -> None:
    run.load(tables=ids(3))
    arguments = ("--tenant", "acme", "--name", "legacy", "--tables", ",".join(ids(3)))
    done = run("detach", *arguments, "--max-affected", 2)
    assert done.status == 1
    assert "3 items would be removed, and at most 2 may be" in done.out
    assert run.count("tag_link") == 3
    wrong = run("detach", *arguments, "--max-affected", "-1")
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err.startswith("tagsweep: --max-affected: Must be a whole number, 0 or more.")


def test_a_job_over_http_tells_its_guard(up_gateway: Gateway, tenant: str) -> None:
    some = new_ids(3)
    up_gateway.store.tag(tenant, "legacy", tables=some)
    body: dict[str, Any] = {"kind": "detach", "names": ["legacy"], "tables": some}
    with up_gateway.client(tenant) as client:
        made = client.post("/api/v1/jobs/", json={**body, "max_affected": 2, "dry_run": True})
        assert made.status_code == 202
        job = ended(client, made.headers["location"])
    assert (job["status"], job["dry_run"], job["errors"][0]["would_remove"]) == (
        "rejected",
        True,
        3,
    )


@pytest.mark.parametrize("wrong", [-1, 1.5, float("inf"), True, "5", [], 2**63])
def test_a_limit_that_is_no_number_is_refused(wrong: object, unheard: TagSweep) -> None:
    reason = {"path": "/max_affected", "code": "invalid"}
    with pytest.raises(InvalidJob) as raised:
        DetachJob.parse({"tenant": "acme", "names": [], "max_affected": wrong})
    (error,) = raised.value.errors
    assert reason.items() <= error.items()
    assert error["reason"] == "Must be a whole number, 0 or more."
    with pytest.raises(InvalidJob):
        unheard.detach(tenant="acme", names=["a"], max_affected=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [1, "true", [], 0])
def test_a_dry_run_that_is_neither_true_nor_false_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidJob, match="dry_run: Must be true or false"):
        DetachJob.parse({"tenant": "acme", "names": [], "dry_run": wrong})
