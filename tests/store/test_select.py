"""``"*"``: all of a sort that carries the tags when the job is accepted, and nothing else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tagsweep.worker import database
from tagsweep.worker.chunks import poison
from tests.support import driving, receipts
from tests.support.driving import delete_job, detach_job
from tests.support.stores import (
    Link,
    Store,
    counts,
    new_ids,
)
from tests.support.worlds import (
    TYPES,
    World,
    examples,
    worlds,
)


def _listed(world: World) -> dict[str, Any]:
    """Return the world's job as it would be with every ``"*"`` written out."""
    body = dict(world.body)
    if world.kind == "delete" and body["workspaces"] == "*":
        body["workspaces"] = sorted({name for name, _, _ in world.tags})
    names = {name.strip() for name in body.get("names", ())}
    for kind in TYPES:
        if body.get(kind) == "*":
            body[kind] = sorted({one for n, k, one in world.links if k == kind and n in names})
    return body


@pytest.mark.mapped_core
@examples
@given(world=worlds("detach", "delete", every=True), stored=st.booleans())
@pytest.mark.slow
def test_it_does_what_the_list_written_out_does(
    store: Store, world: World, *, stored: bool
) -> None:
    world.fill(store)
    done = world.run(stored=stored)
    left = store.links(world.tenant), store.workspace_tags(world.tenant)
    if "*" in world.body.values():
        assert done["remaining"] == _remaining(world, left[0]) == 0
    else:
        assert "remaining" not in done
    listed = World(world.links, world.tags, world.kind, _listed(world), world.most)
    listed.fill(store)
    expected = listed.run()
    assert left == (store.links(listed.tenant), store.workspace_tags(listed.tenant))
    assert done["counts"]["removed"] == expected["counts"]["removed"]
    assert done["status"] == expected["status"]
    if all(one == "*" for name, one in world.body.items() if name in (*TYPES, "workspaces")):
        assert done["counts"] == counts(total=done["counts"]["removed"], **_removed(done))


def _remaining(world: World, left: set[Link]) -> int:
    selected = {kind for kind in TYPES if world.body.get(kind) == "*"}
    names = {name.strip() for name in world.body.get("names", ())}
    return sum(name in names and kind in selected for name, kind, _ in left)


def _removed(done: dict[str, Any]) -> dict[str, int]:
    return {"removed": done["counts"]["removed"]}


@pytest.mark.parametrize("most", [1, 2, 3, 1_000])
def test_no_id_travels_and_a_range_is_one_chunk(store: Store, tenant: str, most: int) -> None:
    tables, folders = new_ids(7), new_ids(2)
    store.tag(tenant, "a", tables=tables, folders=folders)
    store.tag(tenant, "b", tables=tables[:3])
    driving.chunk_size(most)
    job = detach_job(tenant, ["a", "b", "unknown"], tables="*", folders="*", layers="*")
    job_id = driving.opened(job)
    chunks = store.chunks(job_id)
    assert [chunk.ids for chunk in chunks] == [None] * len(chunks)
    assert len(chunks) == sum(-(-number // most) for number in (7, 2, 3))
    assert sum(chunk.items for chunk in chunks) == 12
    done = driving.finish(job_id)
    assert (done["counts"], done["remaining"]) == (counts(total=12, removed=12), 0)
    assert store.links(tenant) == set()


def test_a_list_and_a_selection_go_together(store: Store, tenant: str) -> None:
    tables, folders, (one_more,) = new_ids(5), new_ids(3), new_ids(1)
    store.tag(tenant, "a", tables=tables, folders=folders, layers=[one_more])
    done = driving.run(detach_job(tenant, ["a"], tables=[*tables[:2], one_more], folders="*"))
    assert (done["counts"], done["remaining"]) == (counts(total=6, removed=5, absent=1), 0)
    assert store.links(tenant) == {
        *(("a", "tables", one) for one in tables[2:]),
        ("a", "layers", one_more),
    }


def test_what_is_attached_meanwhile_survives_and_is_told(store: Store, tenant: str) -> None:
    some, later = new_ids(10), new_ids(3)
    store.tag(tenant, "a", tables=some)
    driving.chunk_size(4)
    job_id = driving.opened(detach_job(tenant, ["a"], tables="*"))
    driving.step()
    store.tag(tenant, "a", tables=later, folders=later)
    done = driving.finish(job_id)
    assert (done["counts"], done["remaining"]) == (counts(total=10, removed=10), 3)
    assert {one for _, kind, one in store.links(tenant) if kind == "tables"} == {*later}


@pytest.mark.parametrize("most", [4, 1_000])
@pytest.mark.parametrize("limit", [None, 10])
def test_what_is_attached_before_the_job_is_cut_survives_and_is_not_counted(
    store: Store, tenant: str, most: int, limit: int | None
) -> None:
    """Between its acceptance and its turn a job may wait for long."""
    some, later = new_ids(10), new_ids(3)
    store.tag(tenant, "a", tables=some)
    driving.chunk_size(most)
    job_id = driving.record(detach_job(tenant, ["a"], tables="*", max_affected=limit))
    store.tag(tenant, "a", tables=later)
    done = driving.run_recorded(job_id)
    assert (done["counts"], done["remaining"]) == (counts(total=10, removed=10), 3)
    assert store.links(tenant) == {("a", "tables", one) for one in later}
    receipts.agrees(store, job_id)


def test_a_guard_counts_only_what_the_job_would_remove(store: Store, tenant: str) -> None:
    store.tag(tenant, "a", tables=new_ids(10))
    job_id = driving.record(detach_job(tenant, ["a"], tables="*", max_affected=9))
    store.tag(tenant, "a", tables=new_ids(3))
    (error,) = driving.run_recorded(job_id)["errors"]
    assert error["would_remove"] == 10


def test_what_is_taken_off_meanwhile_is_absent(store: Store, tenant: str) -> None:
    some = new_ids(10)
    store.tag(tenant, "a", tables=some)
    driving.chunk_size(4)
    job_id = driving.opened(detach_job(tenant, ["a"], tables="*"))
    store.unlink(some[0])
    assert driving.finish(job_id)["counts"] == counts(total=10, removed=9, absent=1)


@pytest.mark.not_mapped("by a serial key, not by time: tests/mapping has it")
def test_a_link_of_a_transaction_that_overlaps_keeps_the_counts_true(
    postgres_store: Store, tenant: str
) -> None:
    """It was attached before, and is seen only after the job was cut: it goes, and is counted."""
    some = sorted(new_ids(6))
    tag_id = postgres_store.tag(tenant, "a", tables=[some[0], *some[2:]])
    with postgres_store.transaction() as connection:
        postgres_store.tables.link(connection, tag_id, "tables", [some[1]])
        job_id = driving.opened(detach_job(tenant, ["a"], tables="*"))
    done = driving.finish(job_id)
    assert (done["counts"], done["remaining"]) == (counts(total=6, removed=6), 0)


def test_what_is_refused_of_a_range_fails_alone_and_is_retried(store: Store, tenant: str) -> None:
    some = new_ids(20)
    store.tag(tenant, "a", tables=some)
    _refuse(store, store.tables.links, some[3])
    driving.chunk_size(8)
    done = driving.finish(driving.opened(detach_job(tenant, ["a"], tables="*")))
    assert (done["status"], done["counts"]) == ("partial", counts(total=20, removed=19, failed=1))
    assert done["remaining"] == 1
    assert done["errors"][0]["reason"].startswith(some[3])
    with store.transaction() as connection:
        connection.execute(text("DROP TRIGGER keep" + _on(store, store.tables.links)))
    again = driving.retry(done["job_id"])
    assert (again["counts"], again["remaining"]) == (counts(total=20, removed=20), 0)


def test_what_is_refused_of_all_workspaces_fails_alone_and_is_retried(
    store: Store, tenant: str
) -> None:
    for number in range(6):
        store.workspace(tenant, f"w-{number}", {"env": "dev", "team": "x"})
    store.workspace(tenant, "w-none", {"other": "x"})
    _refuse(store, "workspace_tag", "w-3")
    driving.chunk_size(4)
    done = driving.finish(driving.opened(delete_job(tenant, "*", "env", "team", "nothing")))
    assert (done["status"], done["counts"]) == ("partial", counts(total=12, removed=10, failed=2))
    assert done["remaining"] == 2
    with store.transaction() as connection:
        connection.execute(text("DROP TRIGGER keep" + _on(store, "workspace_tag")))
    again = driving.retry(done["job_id"])
    assert (again["counts"], again["remaining"]) == (counts(total=12, removed=12), 0)
    assert store.workspace_tags(tenant) == {("w-none", "other", "x", False)}


def _refuse(store: Store, table: str, which: str) -> None:
    """Let the store refuse to delete the rows of one resource, or workspace."""
    with store.transaction() as connection:
        if store.url.startswith("postgres"):
            of_link = f"{store.tables.resource}::text"
            column = of_link if table == store.tables.links else "workspace_id"
            connection.execute(
                text(f"""
                CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF OLD.{column} = '{which}' THEN RAISE EXCEPTION 'in use'; END IF;
                    RETURN OLD;
                END $$""")
            )
            act = "FOR EACH ROW EXECUTE FUNCTION keep()"
        else:
            raw = UUID(which).hex if table == "tag_link" else which
            value = f"x'{raw}'" if table == "tag_link" else f"'{raw}'"
            column = "resource_id" if table == "tag_link" else "workspace_id"
            act = f"WHEN OLD.{column} = {value} BEGIN SELECT RAISE(ABORT, 'in use'); END"
        connection.execute(text(f"CREATE TRIGGER keep BEFORE DELETE ON {table} {act}"))


def _on(store: Store, table: str) -> str:
    return f" ON {table}" if store.url.startswith("postgres") else ""


def test_a_range_that_kills_is_given_up_item_by_item(store: Store, tenant: str) -> None:
    some = new_ids(5)
    store.tag(tenant, "a", tables=some)
    job_id = driving.opened(detach_job(tenant, ["a"], tables="*"))
    with database.transaction() as connection:
        poison.alert(connection)
    for _ in range(poison.MOST_TRIES):
        poison.count(f"chunk {job_id} 0")
    done = driving.finish(job_id)
    assert (done["counts"], done["remaining"]) == (counts(total=5, failed=5), 5)
    assert driving.retry(job_id)["counts"] == counts(total=5, removed=5)


def test_a_cancelled_selection_is_retried_where_it_stopped(store: Store, tenant: str) -> None:
    store.tag(tenant, "a", tables=new_ids(10))
    driving.chunk_size(4)
    job_id = driving.opened(detach_job(tenant, ["a"], tables="*"))
    driving.step()
    done = driving.cancel(job_id)
    assert (done["counts"], done["remaining"]) == (counts(total=10, removed=4, unprocessed=6), 6)
    again = driving.retry(job_id)
    assert (again["counts"], again["remaining"]) == (counts(total=10, removed=10), 0)


def test_only_the_tenants_own_are_selected(store: Store, tenant: str) -> None:
    some = new_ids(3)
    store.tag("another", "a", tables=some)
    store.tag(tenant, "a", tables=some)
    for owner in ("another", tenant):
        store.workspace(owner, "w-1", {"env": "dev"}, {"env": "dev"})
    driving.run(detach_job(tenant, ["a"], tables="*"))
    done = driving.run(delete_job(tenant, "*", "env"))
    assert (done["counts"], done["remaining"]) == (counts(total=1, removed=1), 0)
    assert len(store.links("another")) == 3
    assert len(store.workspace_tags("another")) == 2
    assert store.workspace_tags(tenant) == {("w-1", "env", "dev", True)}
