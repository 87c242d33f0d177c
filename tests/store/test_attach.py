"""Attach: the full cross product, missing names created, what is there left as it is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagsweep import TagSweep
from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob, JobRejected
from tests.store.test_model import examples, names
from tests.support import driving
from tests.support.cli import CommandLine
from tests.support.driving import attach_job, detach_job
from tests.support.gateway import Gateway, ended
from tests.support.locks import wait_for_waiting
from tests.support.stack import ServerStack, Stack, producing
from tests.support.stores import (
    Store,
    adds_up,
    attached,
    new_ids,
    new_tenant,
    shown,
)
from tests.support.worlds import (
    IDS,
    NAMES,
    TYPES,
    ids,
    links,
)


def test_each_tag_is_on_each_resource_and_missing_tags_are_created(
    stack: Stack, tenant: str
) -> None:
    tables, folders = new_ids(3), new_ids(2)
    stack.store.tag(tenant, "known", tables=tables[:1])
    body = {"tenant": tenant, "names": ["new", " known ", "new"]}
    done = stack.run("tags.attach", {**body, "tables": [*tables, tables[0]], "folders": folders})
    assert (done["kind"], done["status"]) == ("attach", "succeeded")
    assert done["counts"] == attached(total=10, added=9, present=1)
    assert [one["name"] for one in done["tags"]] == ["new", "known"]
    assert stack.store.links(tenant) == {
        (name, kind, one)
        for name in ("new", "known")
        for kind, some in (("tables", tables), ("folders", folders))
        for one in some
    }
    assert {one["id"] for one in done["tags"]} == {
        shown(row.id) for row in stack.store.tags(tenant).values()
    }
    (event,) = stack.events(done["job_id"])
    assert (event["type"], event["data"]) == ("tagsweep.attach.completed", done)


def test_without_any_id_nothing_is_attached(stack: Stack, tenant: str) -> None:
    pending = stack.send("tags.attach", {"tenant": tenant, "names": ["new"], "tables": []})
    with pytest.raises(JobRejected, match="Give at least one id, in any of sources, "):
        pending.get(timeout=30)
    (event,) = stack.events(pending.id)
    assert [(one["path"], one["code"]) for one in event["data"]["errors"]] == [("", "required")]
    assert stack.store.tags(tenant) == {}


@pytest.mark.slow
def test_a_generator_of_any_length_is_attached(redis_stack: ServerStack, tenant: str) -> None:
    many = new_ids(30_000)
    with producing(redis_stack) as sender:
        done = sender.attach(tenant=tenant, names=["new"], tables=iter(many)).result(timeout=60)
        assert done["counts"] == attached(total=30_000, added=30_000)
        again = sender.attach(tenant=tenant, names=["new"], tables=many[:5]).result(timeout=60)
    assert again["counts"] == attached(total=5, present=5)
    assert len(redis_stack.store.links(tenant)) == 30_000


def test_python_refuses_an_attach_of_nothing(unheard: TagSweep) -> None:
    with pytest.raises(InvalidJob, match="Give at least one id"):
        unheard.attach(tenant="acme", names=["new"], tables=iter([]))


def test_only_tags_that_gained_a_link_are_touched(store: Store, tenant: str) -> None:
    first, second = new_ids(2)
    store.tag(tenant, "all", tables=[first, second])
    store.tag(tenant, "half", tables=[first])
    before = store.tags(tenant)
    done = driving.run(attach_job(tenant, ["all", "half"], tables=[first, second]))
    after = store.tags(tenant)
    assert done["counts"] == attached(total=4, added=1, present=3)
    assert after["all"] == before["all"]
    assert after["half"].updated_at > before["half"].updated_at
    assert after["half"].created_at == before["half"].created_at


def test_a_link_that_is_there_keeps_its_time(store: Store, tenant: str) -> None:
    (one,) = new_ids(1)
    store.tag(tenant, "a", tables=[one])
    detach = driving.record(detach_job(tenant, ["a"], tables=[one]))
    driving.run(attach_job(tenant, ["a"], tables=[one]))
    assert driving.run_recorded(detach)["counts"]["removed"] == 1


def test_items_of_a_tag_that_is_deleted_meanwhile_fail(store: Store, tenant: str) -> None:
    some = new_ids(4)
    driving.chunk_size(2)
    job_id = driving.opened(attach_job(tenant, ["gone", "here"], tables=some))
    store.remove_tag(tenant, "gone")
    done = driving.finish(job_id)
    assert (done["status"], done["counts"]) == ("partial", attached(total=8, added=4, failed=4))
    assert {error["code"] for error in done["errors"]} == {"unknown_tag"}
    assert store.links(tenant) == {("here", "tables", one) for one in some}


@pytest.mark.mapped_core
@pytest.mark.slow
@examples
@given(present=links, wanted=names, lists=st.fixed_dictionaries(dict.fromkeys(TYPES, ids)))
def test_an_attach_does_what_sets_do(
    store: Store, present: set[tuple[str, str, str]], wanted: list[str], lists: dict[str, list[str]]
) -> None:
    tenant = new_tenant()
    for name in NAMES[:2]:
        store.tag(tenant, name, **_of(present, name))
    present = {link for link in present if link[0] in NAMES[:2]}
    lists = {kind: some or IDS[:1] for kind, some in lists.items()}
    driving.chunk_size(5)
    done = driving.run(attach_job(tenant, wanted, **lists))
    matched = list(dict.fromkeys(name.strip() for name in wanted))
    items = {(name, kind, one) for name in matched for kind in lists for one in lists[kind]}
    added = len(items - present)
    assert done["counts"] == attached(total=len(items), added=added, present=len(items) - added)
    assert [one["name"] for one in done["tags"]] == matched
    assert store.links(tenant) == present | items
    assert set(store.tags(tenant)) == {*NAMES[:2], *matched}


@pytest.mark.slow
@examples
@given(wanted=names, lists=st.fixed_dictionaries(dict.fromkeys(TYPES, ids)))
def test_a_detach_of_what_was_attached_leaves_nothing(
    store: Store, wanted: list[str], lists: dict[str, list[str]]
) -> None:
    tenant = new_tenant()
    lists = {kind: some or IDS[:1] for kind, some in lists.items()}
    driving.chunk_size(7)
    added = driving.run(attach_job(tenant, wanted, **lists))["counts"]["added"]
    done = driving.run(detach_job(tenant, wanted, **lists))
    assert (done["counts"]["removed"], done["counts"]["absent"]) == (added, 0)
    assert store.links(tenant) == set()


def _of(all_links: set[tuple[str, str, str]], name: str) -> dict[str, list[str]]:
    return {kind: [one for n, k, one in all_links if (n, k) == (name, kind)] for kind in TYPES}


def test_two_jobs_that_create_the_same_tags_share_them(postgres_store: Store, tenant: str) -> None:
    """The second waits for the first to commit, then takes what is there."""
    some = new_ids(2)
    jobs = [
        driving.record(attach_job(tenant, order, tables=[one]))
        for order, one in zip((["a", "b"], ["b", "a"]), some, strict=True)
    ]
    with database.transaction() as connection:
        postgres_store.tables.ensure_tag(connection, tenant, "a")
        other = threading.Thread(target=driving.run_recorded, args=[jobs[1]])
        other.start()
        wait_for_waiting(postgres_store)
    other.join()
    driving.run_recorded(jobs[0])
    assert set(postgres_store.tags(tenant)) == {"a", "b"}
    assert len(postgres_store.links(tenant)) == 4
    assert all(adds_up(driving.finish(job_id)) for job_id in jobs)


def test_the_gateway_attaches_as_it_detaches(gateway: Gateway, tenant: str) -> None:
    (one,) = new_ids(1)
    with gateway.client(tenant) as client:
        told = client.post("/api/v1/tags/attach/", json={"names": ["new"], "tables": [one]})
        assert (told.status_code, [tag["name"] for tag in told.json()]) == (200, ["new"])
        refused = client.post("/api/v1/tags/attach/", json={"names": ["new"]})
        assert (refused.status_code, list(refused.json())) == (400, ["non_field_errors"])
        job = {"kind": "attach", "names": ["other"], "tables": [one]}
        made = client.post("/api/v1/jobs/", json=job)
        assert made.status_code == 202
        done = ended(client, made.headers["location"])
    assert done["counts"] == attached(total=1, added=1)
    assert gateway.store.links(tenant) == {("new", "tables", one), ("other", "tables", one)}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["straight", "gateway"])
def test_the_command_attaches_on_either_way(
    up_gateway: Gateway, tenant: str, tmp_path: Path, way: str
) -> None:
    straight = {"database_url": str(up_gateway.settings["database_url"])}
    key = up_gateway.credential(tenant).key
    run = CommandLine(tmp_path, **({"url": up_gateway.url, "api_key": key} | straight))
    if way == "straight":
        run = CommandLine(tmp_path, **straight)
    arguments = ("attach", "--tenant", tenant, "--name", "new", "--tables")
    done = run(*arguments, run.file("ids.txt", new_ids(30, seed=4)), "--json")
    assert (done.status, done.json["counts"]) == (0, attached(total=30, added=30))
    again = run(*arguments, ",".join(new_ids(2, seed=4)))
    assert "2 items: 0 added, 2 present, 0 failed" in again.out
    nothing = run("attach", "--tenant", tenant, "--name", "new")
    assert (nothing.status, nothing.out) == (2, "")
    assert nothing.err.startswith("tagsweep: Give at least one id, in any of sources, ")
