"""Two tenants with the same names everywhere: nothing of one is seen or changed by the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway import Gateway
from tests.support.stores import new_ids, new_tenant

IDS = new_ids(4, seed=7)
NAMES = ("legacy", "pii")
KEYS = ("env", "owner")
SPACES = ("w-1", "w-2")
#: five calls in each of a hundred examples
EXAMPLES, CALLS = 100, 5


class Pair:
    """Two tenants on one gateway, each with the very same tags, resources and workspaces."""

    def __init__(self, gateway: Gateway) -> None:
        self.store = gateway.store
        self.tenants = (new_tenant(), new_tenant())
        self.clients = [gateway.client(one, operator=True) for one in self.tenants]
        self.fill()

    def fill(self) -> None:
        """Give both all there is, again."""
        for tenant in self.tenants:
            for name in NAMES:
                self.store.tag(tenant, name, sources=IDS, tables=IDS)
            for space in SPACES:
                self.store.workspace(tenant, space, dict.fromkeys(KEYS, "x"), {"sys": "x"})

    def state(self, tenant: str) -> tuple[Any, ...]:
        """Return all that a tenant has, and every job and event of it."""
        tags = {(tag.id, tag.updated_at) for tag in self.store.tags(tenant).values()}
        # sorted: an event gets its place in the feed a moment after the answer
        events = sorted(row.event for row in self.store.outbox() if row.tenant == tenant)
        return self.store.links(tenant), self.store.workspace_tags(tenant), tags, events


@pytest.fixture(scope="module")
def pair(redis_gateway: Gateway) -> Iterator[Pair]:
    """Two tenants that no other test knows."""
    made = Pair(redis_gateway)
    yield made
    for client in made.clients:
        client.close()


subset = st.lists(st.sampled_from(IDS), max_size=4)
calls = st.one_of(
    st.tuples(st.just("detach"), st.sampled_from(NAMES), subset),
    st.tuples(st.just("delete"), st.sampled_from(SPACES), st.sampled_from(KEYS)),
    st.tuples(st.just("list"), st.sampled_from(("sources", "tables")), st.none()),
    st.tuples(st.just("jobs"), st.sampled_from(("", "cancel", "retry")), st.none()),
    st.tuples(st.just("foreign"), st.sampled_from(SPACES), st.sampled_from(KEYS)),
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(caller=st.sampled_from((0, 1)), made=st.lists(calls, min_size=CALLS, max_size=CALLS))
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_no_call_of_one_tenant_shows_or_changes_anything_of_the_other(
    pair: Pair, caller: int, made: list[tuple[str, str, Any]]
) -> None:
    other = pair.tenants[1 - caller]
    before = pair.state(other)
    for call in made:
        answer = _call(pair, caller, *call)
        assert answer.status_code < 500
        assert other not in answer.text
        for tag in pair.store.tags(other).values():
            assert str(tag.id) not in answer.text
    assert pair.state(other) == before
    pair.fill()


def _call(pair: Pair, caller: int, what: str, first: str, second: Any) -> httpx.Response:
    client, other = pair.clients[caller], pair.clients[1 - caller]
    own, foreign = pair.tenants[caller], pair.tenants[1 - caller]
    if what == "detach":
        body = {"names": [first], "sources": second, "tables": second}
        return client.post("/api/v1/tags/detach/", json=body)
    if what in ("delete", "foreign"):
        project = own if what == "delete" else foreign
        path = f"/v1/{project}/fabric-workspace/{first}/tags/delete"
        answer = client.post(path, json={"tags": [{"key": second}], "sys_tags": [{"key": "sys"}]})
        assert answer.status_code == (204 if what == "delete" else 403)
        return answer
    if what == "list":
        return client.get(f"/api/v1/{first}/", params={"expand[]": "tags"})
    theirs = other.get("/api/v1/jobs/", params={"page_size": 1}).json()["results"]
    if not theirs:
        return client.get("/api/v1/jobs/")
    path = f"/api/v1/jobs/{theirs[0]['id']}"
    answer = client.post(f"{path}/{first}") if first else client.get(path)
    assert answer.status_code == 404
    return answer
