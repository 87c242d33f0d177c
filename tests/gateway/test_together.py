"""Calls in flight together come to what they come to one after the other, in some order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tagsweep.producer.gateway.submission.job_request import NAMESPACE
from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.tables import link_change, tag, workspace_tag_change
from tests.support import outcomes, worlds
from tests.support.gateway import Gateway
from tests.support.stores import Store, new_tenant

TAGGING = {"detach": "/api/v1/tags/detach/", "attach": "/api/v1/tags/attach/"}
WORKSPACES = {
    "delete": "/v1/{}/fabric-workspace/{}/tags/delete",
    "set": "/v1/{}/fabric-workspace/{}/tags/create",
}
TYPES = {number: name for name, number in (("folders", 6), ("tables", 7))}

#: what a job changed: links as name, type, id; tags of workspaces as workspace, key, value, system
Changed = frozenset[tuple[Any, ...]]
#: that, and the names of the tags that it matched
Outcome = tuple[Changed, frozenset[str]]


@dataclass(frozen=True)
class Call:
    """A call of one of two tenants."""

    tenant: int
    kind: str
    body: dict[str, Any]
    workspace: str | None = None

    def path(self, tenant: str) -> str:
        """Return where it goes."""
        return TAGGING.get(self.kind) or WORKSPACES[self.kind].format(tenant, self.workspace)


@dataclass
class Has:
    """What a tenant has; ``do`` is a model of what each kind of job does to it."""

    links: set[tuple[str, str, str]]
    names: set[str]
    tags: dict[tuple[str, str, bool], str]

    def do(self, call: Call) -> Outcome:
        """Do the job; return what it changes, and the tags that it matches."""
        if call.kind == "delete":
            return self._delete(call), frozenset()
        if call.kind == "set":
            return self._set(call), frozenset()
        names = {name.strip() for name in call.body["names"]}
        asked = {(n, t, i) for n in names for t in TYPES.values() for i in call.body[t]}
        if call.kind == "attach":
            self.names |= names
            added = asked - self.links
            self.links |= added
            return frozenset(added), frozenset(names)
        gone = asked & self.links
        self.links -= gone
        return frozenset(gone), frozenset(names & self.names)

    def _delete(self, call: Call) -> Changed:
        wanted = [(one, False) for one in call.body["tags"]]
        wanted += [(one, True) for one in call.body.get("sys_tags", [])]
        gone = {
            (place, key, value, system)
            for (place, key, system), value in self.tags.items()
            for one, of_system in wanted
            if (place, key, system) == (call.workspace, one["key"], of_system)
            and (one.get("value") or value) == value
        }
        for place, key, _, system in gone:
            del self.tags[place, key, system]
        return frozenset(gone)

    def _set(self, call: Call) -> Changed:
        own = [(one, False) for one in call.body["tags"]]
        own += [(one, True) for one in call.body.get("sys_tags", [])]
        given = {(str(call.workspace), one["key"], of): one["value"] for one, of in own}
        new = {place: value for place, value in given.items() if self.tags.get(place) != value}
        self.tags |= new
        return frozenset((place, key, value, of) for (place, key, of), value in new.items())


#: the one key of system tags that the contract on workspaces knows
_system_tag = st.fixed_dictionaries(
    {"key": st.just("_sys_enterprise_project_id"), "value": st.sampled_from(["x", "y"])}
)
_faulty = st.sampled_from([{"names": 7}, {"names": ["a"], "tables": ["no id"]}, {"nam": ["a"]}])
_calls = st.one_of(
    st.builds(
        lambda tenant, asked: Call(tenant, *asked),
        st.integers(0, 1),
        worlds.asked("detach", "attach") | st.tuples(st.just("detach"), _faulty),
    ),
    st.builds(
        Call,
        st.integers(0, 1),
        st.just("delete"),
        st.fixed_dictionaries(
            {"tags": st.lists(worlds.wanted, min_size=1, max_size=3)},
            optional={"sys_tags": st.lists(worlds.wanted, min_size=1, max_size=1)},
        ),
        st.sampled_from(worlds.WORKSPACES),
    ),
    st.builds(
        Call,
        st.integers(0, 1),
        st.just("set"),
        st.fixed_dictionaries(
            {
                "tags": st.lists(
                    worlds.new_tag, min_size=1, max_size=3, unique_by=lambda tag: tag["key"]
                )
            },
            optional={"sys_tags": st.lists(_system_tag, min_size=1, max_size=1)},
        ),
        st.sampled_from(worlds.WORKSPACES),
    ),
)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("which", ["redis", "up"], ids=["postgres", "sqlite"])
@settings(worlds.examples, max_examples=8)
@given(
    links=worlds.links, tags=worlds.workspace_tags, calls=st.lists(_calls, min_size=2, max_size=8)
)
def test_calls_in_flight_together_come_to_what_they_come_to_in_some_order(
    request: pytest.FixtureRequest,
    which: str,
    links: set[tuple[str, str, str]],
    tags: dict[tuple[str, str, bool], str],
    calls: list[Call],
) -> None:
    gateway: Gateway = request.getfixturevalue(f"{which}_gateway")
    together = _Run(gateway, links, tags, calls)
    together.call(range(len(calls)), at_once=True)
    done = [at for at, answer in together.answers.items() if answer.status_code < 300]
    order: list[int] = []
    for tenant in (0, 1):
        own = [at for at in done if calls[at].tenant == tenant]
        found = _order(Has(set(links), {n for n, *_ in links}, dict(tags)), calls, own, together)
        assert found is not None, "no order of the jobs has these outcomes"
        order += found
    one_by_one = _Run(gateway, links, tags, calls)
    one_by_one.call([*order, *(at for at in range(len(calls)) if at not in done)], at_once=False)
    for at in range(len(calls)):
        assert together.told(at) == one_by_one.told(at)
    assert together.left() == one_by_one.left()


class _Run:
    """The calls, made of two new tenants that have the same."""

    def __init__(
        self, gateway: Gateway, links: set[Any], tags: dict[Any, str], calls: list[Call]
    ) -> None:
        self._gateway, self._calls = gateway, calls
        self._store: Store = gateway.store
        self._tenants = [new_tenant(), new_tenant()]
        self._mark = uuid4().hex
        for tenant in self._tenants:
            worlds.fill(self._store, tenant, links, tags)
        self.answers: dict[int, httpx.Response] = {}

    def call(self, places: Sequence[int], *, at_once: bool) -> None:
        """Make these calls, all at once or one after the other."""
        # jobs show the name of the credential; without one it is an id, another in each run
        made = [self._gateway.credential(t, name="us", operator=True) for t in self._tenants]
        keys = [one.key for one in made]
        self._credentials = [one.id for one in made]

        async def send() -> None:
            async with httpx.AsyncClient(base_url=self._gateway.url, timeout=60) as client:

                async def one(at: int) -> None:
                    call = self._calls[at]
                    key = keys[call.tenant]
                    headers = {"x-api-key": key, "X-Auth-Token": key}
                    headers["Idempotency-Key"] = f"{self._mark}-{at}"
                    path = call.path(self._tenants[call.tenant])
                    self.answers[at] = await client.post(path, json=call.body, headers=headers)

                if at_once:
                    await asyncio.gather(*map(one, places))
                else:
                    for at in places:
                        await one(at)

        asyncio.run(send())

    def job_id(self, at: int) -> UUID:
        """Return the id of the call's job."""
        tenant = self._tenants[self._calls[at].tenant]
        return uuid5(NAMESPACE, f"key\n{tenant}\n{self._mark}-{at}")

    def outcome(self, at: int) -> Outcome:
        """Return what the call's job is recorded to have changed, and the tags in its answer."""
        own = self.job_id(at)
        links = select(tag.c.name, link_change.c.resource_type, link_change.c.ids)
        links = links.join(tag, tag.c.id == link_change.c.tag_id)
        columns = workspace_tag_change.c
        others = select(columns.workspace_id, columns.key, columns.value, columns.system)
        with self._store.transaction() as connection:
            rows = connection.execute(links.where(link_change.c.job_id == own)).all()
            also = connection.execute(others.where(columns.job_id == own)).all()
        changed = [(name, TYPES[kind], one) for name, kind, ids in rows for one in unpack(ids)]
        assert len(set(changed)) == len(changed)
        return frozenset({*changed, *(tuple(row) for row in also)}), frozenset(self._names(at))

    def told(self, at: int) -> list[Any]:
        """Return what the call was answered, and all that is kept of its job."""
        answer = self.answers[at]
        if answer.status_code >= 300:  # nothing was done; ids of ours are not in what is said
            return [answer.status_code, answer.json() if answer.status_code == 400 else None]
        own = self.job_id(at)
        assert self._store.job(own).credential == self._credentials[self._calls[at].tenant]
        return [answer.status_code, self._names(at), outcomes.of(self._store, own)]

    def _names(self, at: int) -> list[str]:
        answer = self.answers[at]
        return [one["name"] for one in answer.json()] if answer.status_code == 200 else []

    def left(self) -> list[Any]:
        """Return what the tenants have."""
        return [outcomes.state(self._store, tenant) for tenant in self._tenants]


def _order(has: Has, calls: list[Call], left: list[int], run: _Run) -> list[int] | None:
    """Return an order of the calls in which each has its outcome; None: there is none."""
    if not left:
        return []
    for at in left:
        then = Has(set(has.links), set(has.names), dict(has.tags))
        if then.do(calls[at]) == run.outcome(at):
            rest = _order(then, calls, [other for other in left if other != at], run)
            if rest is not None:
                return [at, *rest]
    return None
