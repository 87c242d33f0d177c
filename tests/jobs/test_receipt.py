"""The receipt of a job agrees with its counts, and row by row with the store before and after."""

from __future__ import annotations

import csv
import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from tagsweep.worker.errors import Forgotten, NoSuchJob
from tagsweep.worker.jobs import receipt
from tagsweep.worker.models import formats
from tagsweep.worker.models.jobs import DeleteJob
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.views import OUTCOMES
from tagsweep.worker.tasks import sweep
from tests.store.test_model import (
    Delete,
    Detach,
    _fill,
    _of,
    deletes,
    detaches,
)
from tests.support import driving, lives, receipts
from tests.support.stores import Store, new_ids, new_tenant
from tests.support.worlds import (
    IDS,
    KEYS,
    WORKSPACES,
    examples,
)

pytestmark = pytest.mark.mapped


@pytest.fixture
def refusing(store: Store) -> Store:
    """A store that refuses some items."""
    receipts.refusing(store)
    return store


@pytest.mark.slow
@examples
@given(
    case=detaches, most=st.integers(1, 20), happens=lives.steps, kept=st.sets(st.sampled_from(IDS))
)
def test_the_receipt_of_a_detach_is_what_became_of_each_link(
    refusing: Store, case: Detach, most: int, happens: list[str], kept: set[str]
) -> None:
    tenant, store = new_tenant(), refusing
    case.tags |= {name for name, _, _ in case.links}
    for name in case.tags:
        store.tag(tenant, name, **_of(case.links, name))
    receipts.keep(store, kept)
    driving.chunk_size(most)
    job = driving.detach_job(tenant, case.names, **case.lists)
    found = {receipts.item(row): row for row in lives.through(store, job, happens)}
    matched, _, _, _ = case.end()
    lists = case.lists.items()
    assert set(found) == {(n, kind, one) for n in matched for kind, some in lists for one in some}
    after = store.links(tenant)
    for link, row in found.items():
        assert (row["outcome"] == "removed") == (link in case.links - after)
        assert (row["outcome"] == "absent") <= (link not in case.links)
        if row["outcome"] == "failed":
            assert link in after
            assert (link[2] in kept, "under contract" in row["reason"]) == (True, True)
        else:
            assert row["reason"] is None
    assert case.links - after <= set(found)


@pytest.mark.slow
@examples
@given(
    case=deletes,
    most=st.integers(1, 20),
    happens=lives.steps,
    kept=st.sets(st.tuples(st.sampled_from(WORKSPACES), st.sampled_from(KEYS)).map(" ".join)),
)
def test_the_receipt_of_a_delete_is_what_became_of_each_tag(
    refusing: Store, case: Delete, most: int, happens: list[str], kept: set[str]
) -> None:
    tenant, store = new_tenant(), refusing
    _fill(store, tenant, case.tags)
    receipts.keep(store, kept)
    driving.chunk_size(most)
    body: dict[str, Any] = {"tenant": tenant, "workspaces": case.workspaces}
    job = DeleteJob.parse({**body, "tags": case.user, "sys_tags": case.system})
    found = lives.through(store, job, happens)
    after = {(name, key, system) for name, key, _, system in store.workspace_tags(tenant)}
    removed = {(row["workspace"], row["key"], row["system"]): row["value"] for row in found
               if row["outcome"] == "removed"}  # fmt: skip
    assert removed == {place: case.tags[place] for place in case.tags.keys() - after}
    for row in found:
        if row["workspace"] not in WORKSPACES[:3] and row["outcome"] != "unprocessed":
            assert (row["outcome"], row["reason"]) == ("failed", "There is no such workspace.")


@pytest.mark.slow
@examples
@given(
    case=detaches, most=st.integers(1, 20), happens=lives.steps, kept=st.sets(st.sampled_from(IDS))
)
def test_the_receipt_of_a_selection_names_what_it_removed(
    refusing: Store, case: Detach, most: int, happens: list[str], kept: set[str]
) -> None:
    tenant, store = new_tenant(), refusing
    for name in {name for name, _, _ in case.links}:
        store.tag(tenant, name, **_of(case.links, name))
    receipts.keep(store, kept)
    driving.chunk_size(most)
    job = driving.detach_job(tenant, ["a", "b"], tables="*", folders=case.lists["folders"])
    found = lives.through(store, job, happens)
    removed = {receipts.item(row) for row in found if row["outcome"] == "removed"}
    assert removed == case.links - store.links(tenant)
    assert {row["count"] for row in found} <= {1}


@pytest.mark.slow
@examples
@given(
    case=deletes,
    most=st.integers(1, 20),
    happens=lives.steps,
    kept=st.sets(st.tuples(st.sampled_from(WORKSPACES), st.sampled_from(KEYS)).map(" ".join)),
)
def test_the_receipt_of_all_workspaces_names_what_it_removed(
    refusing: Store, case: Delete, most: int, happens: list[str], kept: set[str]
) -> None:
    tenant, store = new_tenant(), refusing
    _fill(store, tenant, case.tags)
    receipts.keep(store, kept)
    driving.chunk_size(most)
    body: dict[str, Any] = {"tenant": tenant, "workspaces": "*"}
    job = DeleteJob.parse({**body, "tags": case.user, "sys_tags": case.system})
    found = lives.through(store, job, happens)
    removed = {receipts.item(row) for row in found if row["outcome"] == "removed"}
    before = {(name, key, value, system) for (name, key, system), value in case.tags.items()}
    assert removed == before - store.workspace_tags(tenant)


def test_of_what_vanished_from_a_selection_the_number_is_told(store: Store, tenant: str) -> None:
    ids = new_ids(5)
    store.tag(tenant, "t", tables=ids)
    driving.chunk_size(4)
    job_id = driving.opened(driving.detach_job(tenant, ["t"], tables="*", dry_run=True))
    store.unlink(*ids[:2])
    open_rows = receipts.agrees(store, job_id)
    assert {row["outcome"] for row in open_rows} == {"unprocessed"}
    driving.finish(job_id)
    rows = receipts.agrees(store, job_id)
    nameless = [row for row in rows if row["resource"] is None]
    assert sum(row["count"] for row in nameless) == 2
    assert {row["outcome"] for row in nameless} == {"absent"}
    assert all(row["dry_run"] for row in rows)
    assert receipt.columns(job_id, tenant)[-2:] == ("count", "dry_run")


def test_a_removed_tag_counts_for_the_first_item_that_fits(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w", {"env": "dev"})
    tags = [{"key": "env", "value": "prod"}, {"key": "env", "value": "dev"}, {"key": "env"}]
    job = DeleteJob.parse({"tenant": tenant, "workspaces": ["w"], "tags": tags})
    job_id = driving.opened(job)
    driving.finish(job_id)
    told = [(row["value"], row["outcome"]) for row in receipts.read(job_id)]
    assert told == [("prod", "absent"), ("dev", "removed"), (None, "absent")]


def test_the_receipt_of_an_attach_tells_what_was_there(store: Store, tenant: str) -> None:
    ids = sorted(new_ids(3))
    store.tag(tenant, "old", tables=ids[:1])
    job_id = driving.opened(driving.attach_job(tenant, ["old", "new"], tables=ids))
    assert {row["outcome"] for row in receipts.agrees(store, job_id)} == {"unprocessed"}
    driving.finish(job_id)
    told = {(row["tag"], row["resource"]): row["outcome"] for row in receipts.agrees(store, job_id)}
    assert told == {
        (name, one): "present" if (name, one) == ("old", ids[0]) else "added"
        for name in ("old", "new")
        for one in ids
    }


def test_only_what_is_asked_for_is_told(store: Store, tenant: str) -> None:
    ids = new_ids(20)
    store.tag(tenant, "t", tables=ids[:5])
    driving.chunk_size(4)
    job_id = driving.opened(driving.detach_job(tenant, ["t"], tables=ids))
    sweep.apply_next()
    outcomes = [row["outcome"] for row in receipts.read(job_id, "unprocessed", "removed")]
    assert outcomes.count("unprocessed") == 16
    assert "absent" not in outcomes
    assert receipts.read(job_id, "failed") == []


def test_a_job_that_is_not_split_has_no_rows_yet(store: Store, tenant: str) -> None:
    store.tag(tenant, "t")
    assert receipts.read(driving.record(driving.detach_job(tenant, ["t"], tables=new_ids(3)))) == []


@pytest.mark.usefixtures("store")
def test_nobody_reads_the_receipt_of_another_tenant(tenant: str) -> None:
    job_id = driving.record(driving.detach_job(tenant, ["t"]))
    assert list(receipt.entries(job_id, tenant, OUTCOMES)) == []
    for wrong in ((job_id, "another"), (uuid4(), tenant)):
        with pytest.raises(NoSuchJob):
            next(receipt.entries(*wrong, OUTCOMES))
        with pytest.raises(NoSuchJob):
            receipt.columns(*wrong)


def test_a_record_that_goes_while_it_is_read_is_no_end_of_it(store: Store, tenant: str) -> None:
    ids = new_ids(8)
    store.tag(tenant, "t", tables=ids)
    driving.chunk_size(4)
    job_id = driving.opened(driving.detach_job(tenant, ["t"], tables=ids))
    driving.finish(job_id)
    found = receipt.entries(job_id, tenant, OUTCOMES)
    assert next(found)["outcome"] == "removed"
    with store.transaction() as connection:
        this = jobs.c.id == job_id
        connection.execute(update(jobs).where(this).values(forgotten_at=jobs.c.finished_at))
    with pytest.raises(Forgotten, match="TAGSWEEP_KEEP_REMOVALS_DAYS"):
        list(found)


@pytest.mark.parametrize("name", ["plain", 'with "quotes", commas\nand lines', "öß \u2603"])
def test_rows_are_read_back_from_either_form(name: str) -> None:
    told = [{"tag": name, "system": True, "reason": None} for _ in range(2_500)]
    lines = "".join(formats.ndjson(("tag",), told)).splitlines()
    assert [json.loads(line) for line in lines] == told
    text = "".join(formats.comma_separated(("tag", "system", "reason"), told))
    head, *found = csv.reader(text.splitlines(keepends=True))
    assert head == ["tag", "system", "reason"]
    assert found == [[name, "true", ""]] * 2_500
    assert list(formats.ndjson(("tag",), [])) == []
    assert "".join(formats.comma_separated(("tag",), [])) == "tag\r\n"
