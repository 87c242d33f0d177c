"""A preview tells what the job would do, whatever that is, and leaves no trace in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tagsweep.worker.jobs import receipt
from tests.support import driving
from tests.support.cli import CommandLine, ids
from tests.support.driving import attach_job, detach_job
from tests.support.stack import Stack
from tests.support.stores import (
    Store,
    attached,
    counts,
    new_ids,
)
from tests.support.worlds import (
    World,
    changed,
    examples,
    worlds,
)

#: what differs between a preview and its job: when they ran, and what only a job creates or moves
OWN = ("job_id", "accepted_at", "started_at", "finished_at", "dry_run", "request")

KEEP = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.{} IN ({}) THEN RAISE EXCEPTION 'still in use'; END IF;
    RETURN OLD;
END $$
"""


def _told(data: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in data.items() if name not in OWN}
    # the nearest name is looked for among what is left at the end
    warned = [(one["path"], one["code"]) for one in data.get("warnings", [])]
    return {**told, "warnings": warned, "tags": [one.get("name", one) for one in data["tags"]]}


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command in an empty folder, everything embedded."""
    return CommandLine(tmp_path)


@pytest.mark.slow
@examples
@given(
    world=worlds("detach", "delete", "set", "merge", every=True) | worlds("attach"),
    stored=st.booleans(),
)
def test_a_preview_tells_what_the_job_then_does(
    store: Store, world: World, *, stored: bool
) -> None:
    world.fill(store)
    before = world.state(store)
    preview = world.run(stored=stored, dry_run=True)
    assert world.state(store) == before
    done = world.run(stored=stored)
    assert preview["dry_run"] is True
    assert "dry_run" not in done
    assert _told(preview) == _told(done)
    assert changed(store, preview["job_id"]) == changed(store, done["job_id"])


def test_every_door_to_a_worker_takes_a_preview(stack: Stack, tenant: str) -> None:
    some = new_ids(3)
    stack.store.tag(tenant, "legacy", tables=some[:2])
    before = stack.store.tags(tenant)
    done = stack.detach(tenant, ["legacy"], tables=some, dry_run=True)
    assert (done["dry_run"], done["counts"]) == (True, counts(total=3, removed=2, absent=1))
    assert (stack.store.tags(tenant), len(stack.store.links(tenant))) == (before, 2)
    (event,) = stack.events(done["job_id"])
    assert event["data"] == done


def test_a_preview_of_an_attach_creates_no_tag(store: Store, tenant: str) -> None:
    some = new_ids(5)
    store.tag(tenant, "known", tables=some[:1])
    driving.chunk_size(2)
    done = driving.run(attach_job(tenant, ["new", "known"], tables=some, dry_run=True))
    assert done["counts"] == attached(total=10, added=9, present=1)
    assert [(one["name"], one["id"] is None) for one in done["tags"]] == [
        ("new", True),
        ("known", False),
    ]
    assert set(store.tags(tenant)) == {"known"}


def test_a_tag_that_somebody_else_creates_meanwhile_is_the_one(store: Store, tenant: str) -> None:
    some = new_ids(5)
    driving.chunk_size(2)
    job_id = driving.opened(attach_job(tenant, ["new"], tables=some, dry_run=True))
    store.tag(tenant, "new", tables=some[:1])
    assert driving.finish(job_id)["counts"] == attached(total=5, added=4, present=1)
    told = [row["outcome"] for row in receipt.entries(job_id, tenant, {"added", "present"})]
    assert sorted(told) == ["added"] * 4 + ["present"]


def test_what_a_trigger_would_refuse_fails_in_the_preview_too(
    postgres_store: Store, tenant: str
) -> None:
    some = new_ids(20)
    postgres_store.tag(tenant, "legacy", tables=some)
    tables = postgres_store.tables
    with postgres_store.transaction() as connection:
        connection.execute(text(KEEP.format(tables.resource, f"'{some[3]}', '{some[11]}'")))
        trigger = f"CREATE TRIGGER keep BEFORE DELETE ON {tables.links} FOR EACH ROW"
        connection.execute(text(f"{trigger} EXECUTE FUNCTION keep()"))
    driving.chunk_size(8)
    ends = []
    for dry_run in (True, False):
        job = detach_job(tenant, ["legacy"], tables=some, dry_run=dry_run)
        ends.append(driving.finish(driving.opened(job)))
        assert len(postgres_store.links(tenant)) == (20 if dry_run else 2)
    assert _told(ends[0]) == _told(ends[1])
    assert ends[0]["counts"] == counts(total=20, removed=18, failed=2)
    assert {error["reason"].partition(": ")[2] for error in ends[0]["errors"]} == {"still in use"}


def test_a_preview_that_is_retried_is_still_one(postgres_store: Store, tenant: str) -> None:
    some = new_ids(10)
    postgres_store.tag(tenant, "legacy", tables=some)
    driving.chunk_size(4)
    job_id = driving.opened(detach_job(tenant, ["legacy"], tables=some, dry_run=True))
    driving.step()
    assert driving.cancel(job_id)["counts"] == counts(total=10, removed=4, unprocessed=6)
    assert driving.retry(job_id)["counts"] == counts(total=10, removed=10)
    assert len(postgres_store.links(tenant)) == 10


@pytest.mark.slow
def test_the_command_says_that_nothing_was_changed(run: CommandLine) -> None:
    run.load(tables=ids(3))
    arguments = ("--tenant", "acme", "--name", "legacy", "--tables", ",".join(ids(3)), "--dry-run")
    done = run("detach", *arguments)
    assert done.status == 0
    assert done.out.startswith("succeeded: dry run (nothing is changed) of detach ")
    assert run.count("tag_link") == 3
    shown = run("jobs", "list", "--json").json
    assert [job["dry_run"] for job in shown] == [True]
