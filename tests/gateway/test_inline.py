"""Small synchronous calls are done by the gateway itself, together, with nobody behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.support.gateway import Gateway, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import Store, new_ids, new_tenant

pytestmark = pytest.mark.integration

DETACH = "/api/v1/tags/detach/"
ATTACH = "/api/v1/tags/attach/"
JOBS = "/api/v1/jobs/"
#: of calls for which there is no worker
SHORT = {"Prefer": "wait=1"}


@pytest.fixture
def alone(idle_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway with no worker behind it."""
    with serving(idle_stack) as gateway:
        yield gateway


def _delete(tenant: str, workspace: str) -> str:
    return f"/v1/{tenant}/fabric-workspace/{workspace}/tags/delete"


def _all_at_once(
    gateway: Gateway, calls: list[tuple[str, str, Any, dict[str, str]]]
) -> list[httpx.Response]:
    """Send all calls (tenant, path, body, headers) at once; return their answers."""
    keys = {tenant: gateway.credential(tenant, operator=True).key for tenant, *_ in calls}

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(calls))
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60, limits=limits) as client:
            return await asyncio.gather(
                *(
                    client.post(
                        path,
                        json=body,
                        headers={"x-api-key": keys[t], "X-Auth-Token": keys[t], **headers},
                    )
                    for t, path, body, headers in calls
                )
            )

    return asyncio.run(send())


def _jobs(store: Store, *tenants: str) -> list[Any]:
    query = text("SELECT * FROM tagsweep.job WHERE tenant = ANY (:tenants)")
    with store.transaction() as connection:
        return list(connection.execute(query, {"tenants": list(tenants)}).all())


@pytest.mark.slow
def test_calls_in_flight_together_are_done_in_few_transactions(alone: Gateway) -> None:
    tenants = [new_tenant() for _ in range(4)]
    ids = new_ids(60)
    for tenant in tenants:
        alone.store.tag(tenant, "old", tables=ids)
        alone.store.workspace(tenant, "w-1", {"env": "dev"})
    calls: list[Any] = []
    for at, one in enumerate(ids):
        tenant = tenants[at % 4]
        calls.append((tenant, DETACH, {"names": ["old"], "tables": [one]}, {}))
        calls.append((tenant, ATTACH, {"names": ["new"], "folders": [one]}, {}))
    calls += [(t, _delete(t, "w-1"), {"tags": [{"key": "env"}]}, {}) for t in tenants]
    answers = _all_at_once(alone, calls)
    assert [answer.status_code for answer in answers] == [200] * 120 + [204] * 4
    jobs = _jobs(alone.store, *tenants)
    assert (len(jobs), sum(job.removed for job in jobs)) == (124, 124)
    assert {job.status for job in jobs} == {"succeeded"}
    assert len({job.accepted_at for job in jobs}) < 60  # those of one transaction share it
    eventually(lambda: all(row.published_at for row in alone.store.outbox()))
    timed = 'tagsweep_chunk_duration_seconds_count{kind="delete"} 4.0'
    eventually(lambda: timed in httpx.get(f"{alone.url}/metrics").text)


@pytest.mark.slow
def test_calls_that_set_one_key_to_many_values_are_all_done_here(
    alone: Gateway, tenant: str
) -> None:
    values = [f"v-{at}" for at in range(12)]
    alone.store.workspace(tenant, "w-1", {"env": "dev"})
    path = f"/v1/{tenant}/fabric-workspace/w-1/tags/create"
    bodies = [{"tags": [{"key": "env", "value": value}]} for value in values]
    answers = _all_at_once(alone, [(tenant, path, body, SHORT) for body in bodies])
    assert [answer.status_code for answer in answers] == [204] * len(values)
    chain = {row["previous"]: row["value"] for row in _values_set(alone.store, tenant)}
    order = ["dev"]
    while order[-1] in chain:  # each has replaced the one before it
        order.append(chain[order[-1]])
    assert sorted(order[1:]) == sorted(values)
    assert alone.store.workspace_tags(tenant) == {("w-1", "env", order[-1], False)}


def _values_set(store: Store, tenant: str) -> list[Any]:
    query = text(
        "SELECT value, previous FROM tagsweep.workspace_removal"
        " JOIN tagsweep.job ON job.id = job_id WHERE tenant = :tenant"
    )
    with store.transaction() as connection:
        return list(connection.execute(query, {"tenant": tenant}).mappings())


@pytest.mark.slow
def test_one_that_cannot_be_done_is_in_nobody_elses_way(alone: Gateway, tenant: str) -> None:
    ids = new_ids(3)
    alone.store.tag(tenant, "old", tables=ids)
    alone.store.workspace(tenant, "w-1", {"env": "dev"})
    gone = {"tags": [{"key": "env"}]}
    held = {"names": ["old"], "tables": ids[:1]}
    with alone.store.transaction() as connection:  # somebody is busy with one of the links
        query = text("SELECT 1 FROM tagsweep.tag_link WHERE resource_id = :one FOR UPDATE")
        connection.execute(query, {"one": ids[0]})
        answers = _all_at_once(
            alone,
            [
                (tenant, DETACH, held, SHORT),
                (tenant, DETACH, {"names": ["old"], "tables": ids[1:]}, SHORT),
                (tenant, _delete(tenant, "none"), gone, SHORT),
                (tenant, _delete(tenant, "w-1"), gone, SHORT),
            ],
        )
    # the busy one was left to a worker
    assert [answer.status_code for answer in answers] == [202, 200, 404, 204]
    assert alone.store.links(tenant) == {("old", "tables", ids[0])}
    assert {job.status for job in _jobs(alone.store, tenant)} == {"queued", "succeeded"}


def test_the_same_key_in_one_batch_and_in_the_next_is_one_job(alone: Gateway, tenant: str) -> None:
    ids = new_ids(20)
    alone.store.tag(tenant, "old", tables=ids)
    key = {"Idempotency-Key": f"k-{uuid4()}"}
    same = (tenant, DETACH, {"names": ["old"], "tables": ids[:1]}, key)
    others: list[Any] = [
        (tenant, DETACH, {"names": ["old"], "tables": [one]}, {}) for one in ids[1:]
    ]
    another = (tenant, DETACH, {"names": ["old"], "tables": ids[:2]}, key)
    answers = _all_at_once(alone, [same, *others, same, same, another, same])
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) in (len(others) + 4, len(others) + 1)
    assert statuses.count(200) + statuses.count(422) == len(answers)
    assert len(_jobs(alone.store, tenant)) == 20
    alone.store.tag(tenant, "old", tables=ids[:2])
    (again,) = _all_at_once(alone, [same])
    assert again.status_code in (200, 422)
    assert len(_jobs(alone.store, tenant)) == 20
    assert len(alone.store.links(tenant)) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings, body",
    [
        ({"inline_items": 0}, {}),
        ({"inline_items": 2}, {}),
        ({"max_rate": 1_000_000}, {}),
        ({}, {"folders": "*"}),
    ],
    ids=["turned off", "too large", "a ceiling on the rate", "a selection"],
)
def test_whatever_is_not_small_and_plain_is_left_to_the_workers(
    idle_stack: ServerStack, tenant: str, settings: dict[str, object], body: dict[str, Any]
) -> None:
    ids = new_ids(3)
    idle_stack.store.tag(tenant, "old", tables=ids)
    with serving(idle_stack, **settings) as gateway, gateway.client(tenant) as client:
        asked = {"names": ["old"], "tables": ids, **body}
        answer = client.post(DETACH, json=asked, headers=SHORT)
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        idle_stack.start_worker()
        eventually(lambda: not gateway.store.links(tenant))


def test_a_job_of_any_kind_whose_sender_waits_is_done_at_once(alone: Gateway, tenant: str) -> None:
    ids = new_ids(2)
    alone.store.tag(tenant, "old", tables=ids)
    body = {"kind": "detach", "names": ["old"]}
    with alone.client(tenant) as client:
        waits = {"Prefer": "wait=20"}
        done = client.post(JOBS, json={**body, "tables": ids[:1]}, headers=waits)
        assert (done.status_code, done.json()["status"]) == (202, "succeeded")
        assert done.headers["preference-applied"] == "wait=20"
        left = client.post(JOBS, json={**body, "tables": ids[1:]})
        assert (left.status_code, left.json()["status"]) == (202, "queued")
        assert "preference-applied" not in left.headers
    assert alone.store.links(tenant) == {("old", "tables", ids[1])}


def test_its_receipt_and_its_undo_are_those_of_any_job(gateway: Gateway, tenant: str) -> None:
    ids = new_ids(3)
    gateway.store.tag(tenant, "old", tables=ids[:2], folders=ids[:1])
    with gateway.client(tenant) as client:
        body = {"names": ["old"], "tables": ids, "folders": ids[:1]}
        assert client.post(DETACH, json=body).status_code == 200
        (job,) = client.get(JOBS).json()["results"]
        assert job["counts"]["removed"] == 3
        lines = client.get(f"{JOBS}{job['id']}/receipt").text.splitlines()
        assert sum('"removed"' in line for line in lines) == 3
        assert sum('"absent"' in line for line in lines) == 1
        undone = client.post(f"{JOBS}{job['id']}/undo")
        assert undone.status_code == 202
        eventually(lambda: len(gateway.store.links(tenant)) == 3)
