"""Dropped tags: a tag goes once nothing carries it, no link lost unseen; undone, it is back."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.mapping import whole_tags
from tagsweep.worker.models.jobs import DetachJob, UndoJob
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import tag_link
from tagsweep.worker.tasks import sweep
from tests.chaos import boundaries
from tests.support import driving, receipts, worlds
from tests.support.locks import wait_for_waiting
from tests.support.stores import Store, attached, counts, new_ids, new_tenant
from tests.support.worlds import NAMES, TYPES

pytestmark = pytest.mark.not_mapped("the tags of a map are dropped by their application")


examples = settings(worlds.examples, max_examples=20)


def _job(tenant: str, *names: str, **given_: Any) -> DetachJob:
    """Return a job that drops tags; it takes them off everything unless lists are given."""
    lists = given_ if any(name in given_ for name in TYPES) else {**whole_tags.every(), **given_}
    return driving.detach_job(tenant, names or ["t"], drop=True, **lists)


def _undo(tenant: str, job_id: object, **options: Any) -> dict[str, Any]:
    body = {"tenant": tenant, "job": str(job_id), **options}
    return driving.run_recorded(driving.record(UndoJob.parse(body)))


def test_what_is_attached_while_the_job_runs_goes_with_the_tag(store: Store, tenant: str) -> None:
    driving.chunk_size(3)
    ids = new_ids(10)
    store.tag(tenant, "t", tables=ids, folders=ids[:2])
    store.tag(tenant, "other", tables=ids)
    before = store.tags(tenant)["t"]
    job_id = driving.opened(_job(tenant))
    driving.step()
    store.tag(tenant, "t", volumes=ids, tables=new_ids(1))
    done = driving.finish(job_id)
    assert (done["status"], done["counts"]) == ("succeeded", counts(total=23, removed=23))
    assert "warnings" not in done
    assert [one["name"] for one in done["tags"]] == ["t"]
    assert set(store.tags(tenant)) == {"other"}
    receipts.agrees(store, job_id)
    undone = _undo(tenant, job_id)
    assert undone["counts"] == attached(total=23, added=23)
    after = store.tags(tenant)["t"]
    assert (after.id, after.name, after.created_at) == (before.id, "t", before.created_at)
    assert len(store.links(tenant)) == 33
    receipts.agrees(store, UUID(undone["job_id"]))


@pytest.mark.slow
@examples
@given(
    links=worlds.links,
    names=st.lists(st.sampled_from([*NAMES, "unknown"]), min_size=1, unique=True),
    lists=st.fixed_dictionaries(dict.fromkeys(TYPES, worlds.ids | st.just("*"))),
    every=st.booleans(),
    most=st.integers(1, 20),
)
def test_a_tag_goes_exactly_if_nothing_carries_it_and_comes_back(  # noqa: PLR0913, PLR0917  # drawn
    store: Store,
    links: set[tuple[str, str, str]],
    names: list[str],
    lists: dict[str, Any],
    every: bool,  # noqa: FBT001
    most: int,
) -> None:
    tenant = new_tenant()
    driving.chunk_size(most)
    worlds.fill(store, tenant, links, {})
    for name in NAMES:
        store.tag(tenant, name)
    tags = store.tags(tenant)
    job = _job(tenant, *names, **({} if every else lists))
    preview = driving.run_recorded(driving.record(job.model_copy(update={"dry_run": True})))
    assert (store.links(tenant), store.tags(tenant)) == (links, tags)
    done = driving.run_recorded(driving.record(job))
    left = {link for link in links if link[0] not in names or not _meant(link, lists, every=every)}
    gone = set(names) - {name for name, _, _ in left}
    assert store.links(tenant) == left
    assert set(store.tags(tenant)) == set(NAMES) - gone
    assert (preview["counts"], preview.get("warnings")) == (done["counts"], done.get("warnings"))
    stay = [one["path"] for one in done.get("warnings", []) if one["code"] == "has_links"]
    kept = [name for name in names if name in {name for name, _, _ in left}]
    assert stay == [f"/names/{names.index(name)}" for name in kept]
    _undo(tenant, done["job_id"])
    assert store.links(tenant) == links
    assert {name: row[:4] for name, row in store.tags(tenant).items()} == {
        name: row[:4] for name, row in tags.items()
    }


def _meant(link: tuple[str, str, str], lists: dict[str, Any], *, every: bool) -> bool:
    _, kind, one = link
    return every or lists[kind] == "*" or one in lists[kind]


@pytest.mark.slow
def test_a_transaction_that_attaches_is_waited_for_and_its_link_is_recorded(
    postgres_store: Store, tenant: str
) -> None:
    store, late = postgres_store, new_ids(1)
    driving.chunk_size(1)
    tag_id = store.tag(tenant, "t", tables=new_ids(2))
    job_id = driving.opened(_job(tenant))
    driving.step()
    with store.transaction() as connection:
        store.tables.link(connection, tag_id, "tables", late)
        other = threading.Thread(target=driving.finish, args=[job_id])
        other.start()
        wait_for_waiting(store)
    other.join(30)
    assert not other.is_alive()
    assert "t" not in store.tags(tenant)
    found = receipts.agrees(store, job_id)
    assert late[0] in {entry["resource"] for entry in found if entry["outcome"] == "removed"}
    assert store.job(job_id).removed == 3


@pytest.mark.parametrize("stopped_by", ["future", "max_affected", "unless", "run"])
def test_a_tag_that_is_left_with_links_stays_and_that_is_told(
    store: Store, tenant: str, stopped_by: str
) -> None:
    ids, late = new_ids(4), new_ids(1)
    store.tag(tenant, "t", tables=ids)
    store.tag(tenant, "hold")
    options: dict[str, dict[str, Any]] = {
        "max_affected": {"max_affected": 4},
        "unless": {"unless": ["hold"]},
    }
    job = _job(tenant, **options.get(stopped_by, {}))
    if stopped_by == "run":
        preview = driving.run_recorded(driving.record(job.model_copy(update={"dry_run": True})))
        wanted = RunRequest.parse({"tenant": tenant, "job": preview["job_id"]})
        with database.transaction() as connection:
            job_id = runs.record(connection, wanted)[0].id
        driving.split(job_id)
    else:
        job_id = driving.opened(job)
    tag_id = store.tag(tenant, "t", folders=late)
    if stopped_by == "future":
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        this = tag_link.c.resource_id == UUID(late[0])
        with store.transaction() as connection:
            connection.execute(update(tag_link).where(this).values(created_at=tomorrow))
    done = driving.finish(job_id)
    assert (done["status"], done["counts"]["removed"]) == ("succeeded", 4)
    (warning,) = done["warnings"]
    assert (warning["path"], warning["code"]) == ("/names/0", "has_links")
    assert store.tags(tenant)["t"].id == tag_id
    assert store.links(tenant) == {("t", "folders", late[0])}


def test_a_tag_without_links_goes_and_comes_back(store: Store, tenant: str) -> None:
    store.tag(tenant, "t")
    before = store.tags(tenant)
    done = driving.run_recorded(driving.record(_job(tenant, strict=True)))
    assert (done["status"], done["counts"], "warnings" in done) == ("succeeded", counts(), False)
    assert store.tags(tenant) == {}
    preview = _undo(tenant, done["job_id"], dry_run=True)
    assert (preview["status"], store.tags(tenant)) == ("succeeded", {})
    assert _undo(tenant, done["job_id"])["status"] == "succeeded"
    assert store.tags(tenant) == before


@pytest.mark.parametrize("links", [0, 3])
def test_a_name_that_is_taken_by_now_fails_what_cannot_come_back(
    store: Store, tenant: str, links: int
) -> None:
    store.tag(tenant, "t", tables=new_ids(links))
    done = driving.run_recorded(driving.record(_job(tenant)))
    store.tag(tenant, "t")
    taken = store.tags(tenant)
    undone = _undo(tenant, done["job_id"])
    assert undone["status"] == ("partial" if links else "failed")
    assert undone["counts"]["failed"] == links
    assert {error["code"] for error in undone["errors"]} == {"name_taken"}
    assert (store.tags(tenant), store.links(tenant)) == (taken, set())


def test_a_cancelled_job_drops_nothing_and_retried_it_does(store: Store, tenant: str) -> None:
    driving.chunk_size(1)
    store.tag(tenant, "t", tables=new_ids(3))
    job_id = driving.opened(_job(tenant))
    driving.step()
    assert driving.cancel(job_id)["status"] == "cancelled"
    assert "t" in store.tags(tenant)
    assert driving.retry(job_id)["counts"] == counts(total=3, removed=3)
    assert store.tags(tenant) == {}


@pytest.mark.slow
@pytest.mark.parametrize("at", range(1, 26, 2))
def test_a_worker_that_dies_at_any_statement_of_the_end_leaves_it_to_the_next(
    postgres_store: Store, tenant: str, at: int
) -> None:
    store = postgres_store
    store.tag(tenant, "t", tables=new_ids(2))
    job_id = driving.opened(_job(tenant))
    store.tag(tenant, "t", folders=new_ids(2))
    with boundaries.at(at, boundaries.die):
        try:
            while sweep.apply_next():
                pass
        except boundaries.Died:
            assert "t" in store.tags(tenant) or store.job(job_id).status == "succeeded"
    done = driving.finish(job_id)
    assert done["counts"] == counts(total=4, removed=4)
    assert store.tags(tenant) == {}
