"""Whatever is in the store and whatever is asked for: the end is that of plain Python sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tagsweep.worker.models.jobs import DeleteJob, SetJob
from tagsweep.worker.models.records import Lists
from tests.support import driving, worlds
from tests.support.stores import Store, counts, new_tenant
from tests.support.worlds import (
    IDS,
    NAMES,
    TYPES,
    WORKSPACES,
    ids,
    links,
    new_tag,
    wanted,
    workspace_tags,
)

names = st.lists(st.sampled_from([*NAMES, "unknown", " a "]), max_size=5)
cuts = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=5)
examples = settings(worlds.examples, max_examples=100)


@dataclass
class Detach:
    """A store and a detach job; what must come of it."""

    tags: set[str]
    links: set[tuple[str, str, str]]
    names: list[str]
    lists: dict[str, list[str]]

    def end(self) -> tuple[list[str], dict[str, int], set[tuple[str, str, str]], set[str]]:
        """Return the tags told, the counts, the links left and the tags that lost one."""
        matched = [n for n in dict.fromkeys(n.strip() for n in self.names) if n in self.tags]
        items = {(n, kind, one) for n in matched for kind in self.lists for one in self.lists[kind]}
        gone = items & self.links
        told = counts(total=len(items), removed=len(gone), absent=len(items - gone))
        return matched, told, self.links - gone, {name for name, _, _ in gone}


detaches = st.builds(
    Detach,
    tags=st.sets(st.sampled_from(NAMES)),
    links=links,
    names=names,
    lists=st.fixed_dictionaries(dict.fromkeys(TYPES, ids)),
)


def _pieces(values: list[str], at: list[tuple[int, int]]) -> Iterator[list[str]]:
    """Yield all values, and stretches of them once more: parts that overlap."""
    yield values[:7]
    for start, end in at:
        yield values[start:end]
    yield values[7:]


@pytest.mark.mapped_core
@pytest.mark.slow
@examples
@example(
    case=Detach({"a"}, set(), ["a"], {"tables": [], "folders": []}), most=1, at=[], stored=True
)
@given(case=detaches, most=st.integers(1, 50), at=cuts, stored=st.booleans())
def test_a_detach_does_what_sets_do(
    store: Store, case: Detach, most: int, at: list[tuple[int, int]], *, stored: bool
) -> None:
    tenant, other = new_tenant(), new_tenant()
    case.tags |= {name for name, _, _ in case.links}
    for owner in (tenant, other):
        for name in case.tags:
            store.tag(owner, name, **_of(case.links, name))
    before = store.tags(tenant)
    driving.chunk_size(most)
    if stored:
        head = driving.detach_job(tenant, case.names)
        done = driving.run_recorded(driving.record_parts(head, _parts(case.lists, at)))
    else:
        done = driving.run(driving.detach_job(tenant, case.names, **case.lists))
    matched, told, left, lost = case.end()
    after = store.tags(tenant)
    assert (done["status"], done["counts"]) == ("succeeded", told)
    assert [tag["name"] for tag in done["tags"]] == matched
    assert store.links(tenant) == left
    assert {name for name in after if after[name] != before[name]} == lost
    assert store.links(other) == case.links


def _of(all_links: set[tuple[str, str, str]], name: str) -> dict[str, list[str]]:
    return {kind: [one for n, k, one in all_links if (n, k) == (name, kind)] for kind in TYPES}


def _parts(lists: dict[str, list[str]], at: list[tuple[int, int]]) -> Iterator[Lists]:
    pieces = zip(*(_pieces(lists[kind], at) for kind in TYPES), strict=True)
    return (driving.lists(**dict(zip(TYPES, piece, strict=True))) for piece in pieces)


@dataclass
class Delete:
    """A store and a delete job; what must come of it."""

    tags: dict[tuple[str, str, bool], str]
    workspaces: list[str]
    user: list[dict[str, str | None]]
    system: list[dict[str, str | None]]

    def end(self) -> tuple[dict[str, int], dict[tuple[str, str, bool], str]]:
        """Return the counts and the tags left."""
        both = ((self.user, False), (self.system, True))
        items = {(one["key"], one.get("value") or None, s) for some, s in both for one in some}
        known = set(WORKSPACES[:3]) & set(self.workspaces)
        gone = {
            (name, key, system)
            for (name, key, system), value in self.tags.items()
            if name in known and items & {(key, None, system), (key, value, system)}
        }
        failed = len(items) * len(set(self.workspaces) - known)
        absent = len(items) * len(known) - len(gone)
        total = len(items) * len(set(self.workspaces))
        told = counts(total=total, removed=len(gone), absent=absent, failed=failed)
        return told, {place: self.tags[place] for place in self.tags.keys() - gone}


deletes = st.builds(
    Delete,
    tags=workspace_tags,
    workspaces=st.lists(st.sampled_from(WORKSPACES), max_size=10),
    user=st.lists(wanted, max_size=4),
    system=st.lists(wanted, max_size=3),
).filter(lambda case: bool(case.user or case.system))


@pytest.mark.slow
@examples
@given(case=deletes, most=st.integers(1, 50), at=cuts, stored=st.booleans())
@example(
    case=Delete({("w-1", "env", False): "x"}, ["w-1"], [{"key": "env", "value": ""}], []),
    most=1,
    at=[],
    stored=False,
)
def test_a_delete_does_what_sets_do(
    store: Store, case: Delete, most: int, at: list[tuple[int, int]], *, stored: bool
) -> None:
    tenant, other = new_tenant(), new_tenant()
    for owner in (tenant, other):
        _fill(store, owner, case.tags)
    driving.chunk_size(most)
    body: dict[str, Any] = {"tenant": tenant, "tags": case.user, "sys_tags": case.system}
    if stored:
        head = DeleteJob.parse({**body, "workspaces": []})
        parts = (driving.lists(*piece) for piece in _pieces(case.workspaces, at))
        done = driving.run_recorded(driving.record_parts(head, parts))
    else:
        done = driving.run(DeleteJob.parse({**body, "workspaces": case.workspaces}))
    told, left = case.end()
    assert done["counts"] == told
    assert done["status"] == ("partial" if told["failed"] else "succeeded")
    assert sum(tag["workspaces"] for tag in done["tags"]) == told["removed"]
    assert store.workspace_tags(tenant) == _rows(left)
    assert store.workspace_tags(other) == _rows(case.tags)


@dataclass
class Set:
    """A store and a set job; what must come of it."""

    tags: dict[tuple[str, str, bool], str]
    workspaces: list[str]
    user: list[dict[str, str]]
    system: list[dict[str, str]]

    def end(self) -> tuple[dict[str, int], dict[tuple[str, str, bool], str]]:
        """Return the counts and the tags left."""
        both = ((self.user, False), (self.system, True))
        wanted = {(one["key"], system): one["value"] for some, system in both for one in some}
        known = set(WORKSPACES[:3]) & set(self.workspaces)
        new = {(name, *key): value for name in known for key, value in wanted.items()}
        unchanged = len(new.items() & self.tags.items())
        failed = len(wanted) * len(set(self.workspaces) - known)
        told = {"total": len(new) + failed, "set": len(new) - unchanged, "unchanged": unchanged}
        return {**told, "failed": failed, "unprocessed": 0}, self.tags | new


new_tags = st.lists(new_tag, max_size=3, unique_by=lambda tag: tag["key"])
sets = st.builds(
    Set,
    tags=workspace_tags,
    workspaces=st.lists(st.sampled_from(WORKSPACES), max_size=10),
    user=new_tags,
    system=new_tags,
).filter(lambda case: bool(case.user or case.system))


@pytest.mark.slow
@worlds.examples
@given(case=sets, most=st.integers(1, 50), at=cuts, stored=st.booleans())
def test_a_set_does_what_dicts_do(
    store: Store, case: Set, most: int, at: list[tuple[int, int]], *, stored: bool
) -> None:
    tenant, other = new_tenant(), new_tenant()
    for owner in (tenant, other):
        _fill(store, owner, case.tags)
    driving.chunk_size(most)
    body: dict[str, Any] = {"tenant": tenant, "tags": case.user, "sys_tags": case.system}
    if stored:
        head = SetJob.parse({**body, "workspaces": []})
        parts = (driving.lists(*piece) for piece in _pieces(case.workspaces, at))
        done = driving.run_recorded(driving.record_parts(head, parts))
    else:
        done = driving.run(SetJob.parse({**body, "workspaces": case.workspaces}))
    told, left = case.end()
    assert done["counts"] == told
    assert done["status"] == ("partial" if told["failed"] else "succeeded")
    assert sum(tag["workspaces"] for tag in done["tags"]) == told["set"]
    assert store.workspace_tags(tenant) == _rows(left)
    assert store.workspace_tags(other) == _rows(case.tags)


def _fill(store: Store, tenant: str, all_tags: dict[tuple[str, str, bool], str]) -> None:
    for name in WORKSPACES[:3]:
        own = {(key, s): value for (n, key, s), value in all_tags.items() if n == name}
        user = {key: value for (key, system), value in own.items() if not system}
        system = {key: value for (key, system), value in own.items() if system}
        store.workspace(tenant, name, user, system)


def _rows(some: dict[tuple[str, str, bool], str]) -> set[tuple[str, str, str, bool]]:
    return {(name, key, value, system) for (name, key, system), value in some.items()}


@pytest.mark.parametrize("most", [1, 3, 1_000])
def test_both_ways_of_splitting_cut_the_same_chunks(store: Store, tenant: str, most: int) -> None:
    store.tag(tenant, "a")
    driving.chunk_size(most)
    one_part = driving.opened(driving.detach_job(tenant, ["a"], tables=IDS, folders=IDS[:5]))
    parts = [
        driving.lists(tables=reversed(IDS[4:])),
        driving.lists(tables=IDS[:9], folders=IDS[:3]),
        driving.lists(folders=IDS[1:5]),
    ]
    many_parts = driving.record_parts(driving.detach_job(tenant, ["a"]), parts)
    driving.split(many_parts)
    assert _cut(store, one_part) == _cut(store, many_parts)


def _cut(store: Store, job_id: UUID) -> list[tuple[int, int, bytes, int]]:
    return [
        (row.number, row.resource_type, bytes(row.ids), row.items) for row in store.chunks(job_id)
    ]
