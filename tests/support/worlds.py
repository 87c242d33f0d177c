"""Stores and jobs at random, for what must hold whatever is in the store and whatever is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.jobs import KINDS, Job
from tagsweep.worker.models.tables import link_change, workspace_tag_change
from tests.support import configurations, driving
from tests.support.stores import Link, Store, id_of, new_tenant

NAMES = ["a", "b", "c"]
IDS = [id_of(number << 120 | number) for number in range(1, 13)]
TYPES = ["tables", "folders"]
WORKSPACES = ["w-1", "w-2", "w-3", "w-4"]
KEYS = ["env", "team"]
VALUES = ["", "x", "y"]

links = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(TYPES), st.sampled_from(IDS)))
ids = st.lists(st.sampled_from(IDS), max_size=20)
workspace_tags = st.dictionaries(
    st.tuples(st.sampled_from(WORKSPACES[:3]), st.sampled_from(KEYS), st.booleans()),
    st.sampled_from(VALUES),
)
wanted = st.fixed_dictionaries(
    {"key": st.sampled_from([*KEYS, "none"])}, optional={"value": st.sampled_from([None, *VALUES])}
)
new_tag = st.fixed_dictionaries(
    {"key": st.sampled_from([*KEYS, "none"]), "value": st.sampled_from(VALUES)}
)
#: whether a job drops its tags: those of a map are their application's
drop = st.booleans().map(lambda drops: drops and configurations.active().tables.drops)
examples = settings(
    deadline=None,
    max_examples=40,
    # the store stays; each example has a tenant of its own
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass
class World:
    """What a tenant has, and a job on it."""

    links: set[Link]
    tags: dict[tuple[str, str, bool], str]
    kind: str
    body: dict[str, Any]
    most: int  #: resources of a chunk
    tenant: str = field(default_factory=new_tenant)

    def fill(self, store: Store) -> None:
        """Put it into the store."""
        self.tenant = new_tenant()
        fill(store, self.tenant, self.links, self.tags)
        driving.chunk_size(self.most)

    def job(self, **options: object) -> Job:
        """Return the job, with these options."""
        return KINDS[self.kind].parse(driving.body({"tenant": self.tenant, **self.body, **options}))

    def run(self, *, stored: bool = False, **options: object) -> dict[str, Any]:
        """Do the job, with its lists in hand or from the store; return its completion data."""
        job = self.job(**options)
        return driving.run_recorded(driving.record(job)) if stored else driving.run(job)

    def state(self, store: Store) -> tuple[Any, ...]:
        """Return all that a job may change."""
        tenant = self.tenant
        return store.links(tenant), store.tags(tenant), store.workspace_tags(tenant)


def fill(
    store: Store, tenant: str, links: set[Link], tags: Mapping[tuple[str, str, bool], str]
) -> None:
    """Put links, and tags of workspaces, into the store, as a tenant's."""
    for name in {name for name, _, _ in links}:
        lists = {kind: [i for n, k, i in links if (n, k) == (name, kind)] for kind in TYPES}
        store.tag(tenant, name, **lists)
    for name in WORKSPACES[:3]:
        own = {(key, s): value for (n, key, s), value in tags.items() if n == name}
        user = {key: value for (key, system), value in own.items() if not system}
        system = {key: value for (key, system), value in own.items() if system}
        store.workspace(tenant, name, user, system)


def changed(store: Store, job_id: str) -> set[tuple[object, ...]]:
    """Return what is recorded as changed by a job, but for the ids of tags."""
    own = UUID(job_id)
    columns = link_change.c
    query = select(columns.resource_type, columns.ids).where(columns.job_id == own)
    others = workspace_tag_change.c
    also = select(others.workspace_id, others.key, others.value, others.system, others.previous)
    with store.transaction() as connection:
        rows = connection.execute(query).all()
        tags = connection.execute(also.where(others.job_id == own)).all()
    found = [(kind, one) for kind, some in rows for one in unpack(some)]
    return {(*one, found.count(one)) for one in found} | {tuple(row) for row in tags}


def _bodies(some_ids: st.SearchStrategy[Any], *, some_workspaces: st.SearchStrategy[Any]) -> Any:
    names = st.lists(st.sampled_from([*NAMES, "unknown", " a "]), max_size=5)
    lists = st.fixed_dictionaries({"names": names, **dict.fromkeys(TYPES, some_ids)})
    tags = st.lists(wanted, max_size=4)
    deletes = st.fixed_dictionaries(
        {"workspaces": some_workspaces, "tags": tags, "sys_tags": st.lists(wanted, max_size=3)}
    ).filter(lambda body: bool(body["tags"] or body["sys_tags"]))
    new_tags = st.lists(new_tag, max_size=3, unique_by=lambda tag: tag["key"])
    sets = st.fixed_dictionaries(
        {"workspaces": some_workspaces, "tags": new_tags, "sys_tags": new_tags}
    ).filter(lambda body: bool(body["tags"] or body["sys_tags"]))
    merges = st.fixed_dictionaries(
        {
            "names": st.lists(
                st.sampled_from([*NAMES[:2], "unknown", " a "]), min_size=1, max_size=5
            ),
            "into": st.sampled_from([NAMES[2], "new"]),
            "drop": drop,
            **dict.fromkeys(TYPES, some_ids),
        }
    )
    return {
        "detach": lists,
        "attach": lists.filter(_has_ids),
        "delete": deletes,
        "set": sets,
        "merge": merges,
    }


def _has_ids(body: Mapping[str, Any]) -> bool:
    return any(body[kind] for kind in TYPES)


def asked(*kinds: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Return jobs of these kinds: the kind, and the body but for the tenant."""
    bodies = _bodies(ids, some_workspaces=st.lists(st.sampled_from(WORKSPACES), max_size=4))
    return st.one_of([st.tuples(st.just(kind), bodies[kind]) for kind in kinds])


def worlds(*kinds: str, every: bool = False) -> st.SearchStrategy[World]:
    """Return worlds whose job is of one of these kinds; ``every``: any list may be ``"*"``."""
    some = st.lists(st.sampled_from(WORKSPACES), max_size=10)
    star = st.just("*")
    bodies = _bodies(ids | star if every else ids, some_workspaces=some | star if every else some)
    return st.one_of([_worlds(kind, bodies[kind]) for kind in kinds])


def _worlds(kind: str, bodies: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[World]:
    return st.builds(
        World,
        links=links,
        tags=workspace_tags,
        kind=st.just(kind),
        body=bodies,
        most=st.integers(1, 50),
        tenant=st.just(""),
    )
