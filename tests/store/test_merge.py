"""Merging tags: what plain Python sets say, told item by item, previewed, undone and done again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.models.jobs import MergeJob, UndoJob
from tagsweep.worker.models.run import RunRequest
from tests.support import driving, lives, receipts, worlds
from tests.support.stores import Link, Store, new_ids, new_tenant
from tests.support.worlds import NAMES, TYPES

examples = settings(worlds.examples, max_examples=25)
#: none of them: a merge without any list
selections = st.just(None) | st.fixed_dictionaries(dict.fromkeys(TYPES, worlds.ids | st.just("*")))


@dataclass
class Case:
    """A store and a merge; what must come of it."""

    links: set[Link]
    names: list[str]
    lists: dict[str, Any] | None
    drop: bool
    most: int
    tenant: str = ""

    def fill(self, store: Store) -> None:
        """Put it into the store, a tag that nothing carries too."""
        self.tenant = new_tenant()
        driving.chunk_size(self.most)
        worlds.fill(store, self.tenant, self.links, {})
        for name in self.names:
            store.tag(self.tenant, name)

    def job(self, **options: Any) -> MergeJob:
        """Return the merge into "new"."""
        body = {"tenant": self.tenant, "names": self.names, "into": "new", "drop": self.drop}
        return _merge({**body, **(self.lists or {}), **options})

    @property
    def gone(self) -> set[Link]:
        """The names' links that the merge is about."""
        every = self.lists is None
        return {
            (name, kind, one)
            for name, kind, one in self.links
            if name in self.names
            and (every or (self.lists or {})[kind] == "*" or one in (self.lists or {})[kind])
        }

    @property
    def after(self) -> set[Link]:
        """The links after it."""
        return (self.links - self.gone) | {("new", kind, one) for _, kind, one in self.gone}

    def moved(self) -> set[Link]:
        """Return the names' links that are moved: the first on each resource without "new"."""
        in_order = sorted(self.gone, key=lambda link: self.names.index(link[0]))
        first = {(kind, one): (name, kind, one) for name, kind, one in reversed(in_order)}
        return {link for place, link in first.items() if ("new", *place) not in self.links}


cases = st.builds(
    Case,
    links=st.sets(
        st.tuples(
            st.sampled_from([*NAMES, "new"]), st.sampled_from(TYPES), st.sampled_from(worlds.IDS)
        )
    ),
    names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    lists=selections,
    drop=worlds.drop,
    most=st.integers(1, 20),
)


@pytest.fixture
def refusing(store: Store) -> Store:
    """A store that refuses to remove some items."""
    receipts.refusing(store)
    return store


def _merge(body: dict[str, Any]) -> MergeJob:
    """Return the merge with its lists as the tables in use have them."""
    return MergeJob.parse(driving.body(body))


def _run(job: Any) -> dict[str, Any]:
    return driving.run_recorded(driving.record(job))


def _undo(tenant: str, job_id: object) -> dict[str, Any]:
    return _run(UndoJob.parse({"tenant": tenant, "job": str(job_id)}))


def _told(job_id: str) -> tuple[Counter[str], set[Link]]:
    """Return how many items have each outcome in the receipt, and which links were moved."""
    rows = receipts.read(UUID(job_id))
    told: Counter[str] = Counter()
    for row in rows:
        told[row["outcome"]] += row.get("count", 1)
    moved = (row for row in rows if row["outcome"] == "moved")
    return told, {(row["tag"], row["resource_type"], row["resource"]) for row in moved}


@pytest.mark.slow
@examples
@given(case=cases)
def test_a_merge_does_what_sets_do_as_previewed_and_its_undo_reverts_it(
    store: Store, case: Case
) -> None:
    case.fill(store)
    tags = store.tags(case.tenant)
    preview = _run(case.job(dry_run=True))
    assert (store.links(case.tenant), store.tags(case.tenant)) == (case.links, tags)
    done = _run(case.job())
    found = done["counts"]
    expected = (len(case.moved()), len(case.gone - case.moved()))
    assert (found["moved"], found["present"]) == expected
    assert (preview["counts"], preview.get("warnings")) == (found, done.get("warnings"))
    assert store.links(case.tenant) == case.after
    left = {name for name, _, _ in case.after}
    free = {name for name in case.names if name not in left} if case.drop else set()
    assert {*store.tags(case.tenant), "new"} == {*tags, "new"} - free
    for job in (preview, done):
        told, moved = _told(job["job_id"])
        assert moved == case.moved()
        assert {word: told[word] for word in ("moved", "present", "absent")} == {
            word: found[word] for word in ("moved", "present", "absent")
        }
    undone = _undo(case.tenant, done["job_id"])
    assert (undone["status"], store.links(case.tenant)) == ("succeeded", case.links)
    assert undone["counts"]["moved"] == len(case.gone)
    assert {*tags, "new"} == {*store.tags(case.tenant), "new"}
    again = _undo(case.tenant, undone["job_id"])
    assert (again["status"], store.links(case.tenant)) == ("succeeded", case.after)
    _undo(case.tenant, again["job_id"])
    assert store.links(case.tenant) == case.links


@pytest.mark.slow
@examples
@given(case=cases, kept=st.sets(st.sampled_from(worlds.IDS)), happens=lives.steps)
def test_whatever_happens_to_a_merge_it_comes_to_the_same_end(
    refusing: Store, case: Case, kept: set[str], happens: list[str]
) -> None:
    store = refusing
    receipts.keep(store, [])
    case.fill(store)
    receipts.keep(store, kept)
    job_id = driving.opened(case.job())
    for step in happens:
        lives.do(step, store, job_id)
        receipts.agrees(store, job_id)
    receipts.keep(store, [])
    done = driving.finish(job_id)
    if done["status"] != "succeeded":
        done = driving.retry(job_id)
    assert (done["status"], store.links(case.tenant)) == ("succeeded", case.after)
    told, moved = _told(str(job_id))
    assert moved == case.moved()
    assert told["moved"] == done["counts"]["moved"] == len(moved)
    receipts.agrees(store, job_id)


def test_of_several_names_the_first_is_moved_by_a_retry_too(refusing: Store, tenant: str) -> None:
    store, ids = refusing, sorted(new_ids(3))
    store.tag(tenant, "first", tables=ids[1:])
    store.tag(tenant, "second", tables=ids)
    receipts.keep(store, ids)
    body = {"tenant": tenant, "names": ["first", "second"], "into": "new", "tables": ids}
    failed = driving.finish(driving.opened(_merge(body)))
    assert (failed["status"], failed["counts"]["failed"]) == ("partial", 5)
    receipts.keep(store, [])
    driving.retry(failed["job_id"])
    told = {
        (row["tag"], row["resource"]): row["outcome"]
        for row in receipts.agrees(store, UUID(failed["job_id"]))
    }
    assert told == {
        ("first", ids[0]): "absent",
        ("second", ids[0]): "moved",
        **{("first", one): "moved" for one in ids[1:]},
        **{("second", one): "present" for one in ids[1:]},
    }


def test_later_links_stay_and_are_told(store: Store, tenant: str) -> None:
    ids, late, drops = new_ids(3), new_ids(2), store.tables.drops
    store.tag(tenant, "old", tables=ids)
    job_id = driving.opened(Case(set(), ["old"], None, drop=drops, most=2, tenant=tenant).job())
    store.tag(tenant, "old", tables=late)
    done = driving.finish(job_id)
    assert (done["counts"]["moved"], done["remaining"]) == (3, 2)
    stays = {
        "path": "/names/0",
        "code": "has_links",
        "reason": 'The tag "old" stays: it is still on 2 resources.',
    }
    assert done.get("warnings", []) == [stays] * drops
    assert store.links(tenant) == {
        *(("new", "tables", one) for one in ids),
        *(("old", "tables", one) for one in late),
    }
    assert [one["name"] for one in done["tags"]] == ["old", "new"]


def test_an_undo_leaves_what_somebody_attached_since(store: Store, tenant: str) -> None:
    ids = new_ids(3)
    store.tag(tenant, "old", tables=ids)
    done = _run(_merge({"tenant": tenant, "names": ["old"], "into": "new"}))
    store.unlink(ids[0])
    store.tag(tenant, "new", tables=ids[:1], folders=ids)
    undone = _undo(tenant, done["job_id"])
    assert undone["counts"]["moved"] == 3
    assert store.links(tenant) == {
        *(("old", "tables", one) for one in ids),
        ("new", "tables", ids[0]),
        *(("new", "folders", one) for one in ids),
    }


@pytest.mark.parametrize("most", [2, 3])
def test_a_guard_counts_what_is_moved_and_what_is_present(
    store: Store, tenant: str, most: int
) -> None:
    ids = new_ids(2)
    store.tag(tenant, "old", tables=ids)
    store.tag(tenant, "older", tables=ids[:1])
    before = store.links(tenant), store.tags(tenant)
    body = {"tenant": tenant, "names": ["old", "older"], "into": "new", "max_affected": most}
    done = _run(_merge(body))
    if most < 3:
        (error,) = done["errors"]
        assert (done["status"], error["code"], error["would_move"]) == (
            "rejected",
            "max_affected",
            3,
        )
        assert (store.links(tenant), store.tags(tenant)) == before
    else:
        assert (done["counts"]["moved"], done["counts"]["present"]) == (2, 1)


def test_a_run_moves_exactly_what_its_preview_has_shown(store: Store, tenant: str) -> None:
    ids, late = new_ids(10), new_ids(5)
    store.tag(tenant, "old", tables=ids)
    store.tag(tenant, "older", tables=ids[:4])
    body = {"tenant": tenant, "names": ["old", "older"], "into": "new"}
    preview = _run(_merge({**body, "dry_run": True}))
    store.unlink(*ids[5:])
    store.tag(tenant, "old", tables=late)
    with database.transaction() as connection:
        wanted = RunRequest.parse({"tenant": tenant, "job": preview["job_id"]})
        job_id = runs.record(connection, wanted)[0].id
    done = driving.run_recorded(job_id)
    assert (done["status"], done["counts"]["total"]) == ("succeeded", 14)
    assert (done["counts"]["moved"], done["counts"]["present"]) == (5, 4)
    receipts.agrees(store, job_id)
    assert store.links(tenant) == {
        *(("new", "tables", one) for one in ids[:5]),
        *(("old", "tables", one) for one in late),
    }


def test_a_run_that_would_move_more_than_its_preview_has_shown_is_rejected(
    store: Store, tenant: str
) -> None:
    ids = new_ids(4)
    store.tag(tenant, "old", tables=ids)
    store.tag(tenant, "hold", tables=ids[:1])
    asked = {"names": ["old"], "into": "new", "tables": ids, "unless": ["hold"]}
    body = driving.body({"tenant": tenant, **asked, "dry_run": True})
    preview = _run(_merge(body))
    assert preview["counts"]["moved"] == 3
    _run(driving.detach_job(tenant, ["hold"], tables=ids[:1]))
    with database.transaction() as connection:
        wanted = RunRequest.parse({"tenant": tenant, "job": preview["job_id"]})
        job_id = runs.record(connection, wanted)[0].id
    refused = driving.run_recorded(job_id)
    (error,) = refused["errors"]
    assert (refused["status"], error["code"]) == ("rejected", "max_affected")
    assert error["would_move"] == 4
    assert "new" not in store.tags(tenant)


def test_a_tag_that_is_deleted_while_it_is_merged_into_fails_what_is_left(
    store: Store, tenant: str
) -> None:
    driving.chunk_size(2)
    ids = sorted(new_ids(4))
    store.tag(tenant, "old", tables=ids)
    job_id = driving.opened(_merge({"tenant": tenant, "names": ["old"], "into": "new"}))
    store.remove_tag(tenant, "new")
    done = driving.finish(job_id)
    assert (done["status"], done["counts"]["failed"]) == ("partial", 4)
    assert {error["code"] for error in done["errors"]} == {"unknown_tag"}
    assert store.links(tenant) == {("old", "tables", one) for one in ids}


def test_a_name_that_is_no_tag_is_told_where_the_other_one_is_created(
    store: Store, tenant: str
) -> None:
    store.tag(tenant, "old", tables=new_ids(1))
    done = _run(_merge({"tenant": tenant, "names": ["old", "none"], "into": "new"}))
    assert done["counts"]["moved"] == 1
    assert [warning["code"] for warning in done["warnings"]] == ["unknown_tag"]


def test_without_a_tag_to_merge_none_is_created(store: Store, tenant: str) -> None:
    store.tag(tenant, "other")
    done = _run(_merge({"tenant": tenant, "names": ["none"], "into": "new"}))
    assert (done["status"], done["counts"]["total"]) == ("succeeded", 0)
    assert [warning["code"] for warning in done["warnings"]] == ["unknown_tag"]
    assert set(store.tags(tenant)) == {"other"}


@pytest.mark.parametrize(
    "body, path, code",
    [
        ({"names": []}, "/names", "required"),
        ({"names": ["a", " new "]}, "/into", "conflicting"),
        ({"names": ["new"]}, "/into", "conflicting"),
        ({"names": ["a"], "into": None}, "/into", "null"),
        ({"names": ["a"], "into": " "}, "/into", "blank"),
        ({"names": ["a"], "unless": ["a"]}, "/unless/0", "conflicting"),
        ({"names": ["a"], "drop": "yes"}, "/drop", "invalid"),
    ],
)
def test_what_cannot_be_merged_is_one_clear_error(
    body: dict[str, Any], path: str, code: str
) -> None:
    with pytest.raises(InvalidJob) as refused:
        MergeJob.parse({"tenant": "t", "into": "new", **body})
    assert [(error["path"], error["code"]) for error in refused.value.errors] == [(path, code)]
