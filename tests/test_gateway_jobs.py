"""How a request becomes a job: at once or behind, once whatever is repeated; and what jobs show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.gateway import Gateway, ended
from tests.stack import ServerStack, eventually
from tests.stores import new_ids

DETACH = "/api/v1/tags/detach/"
JOBS = "/api/v1/jobs/"
SHOWN = {
    "id",
    "kind",
    "tenant",
    "status",
    "counts",
    "tags",
    "progress",
    "accepted_at",
    "started_at",
    "finished_at",
    "errors",
}


def _delete(tenant: str, workspace: str = "w-1") -> str:
    return f"/v1/{tenant}/fabric-workspace/{workspace}/tags/delete"


@pytest.mark.parametrize("contract", ["detach", "delete"])
def test_who_prefers_not_to_wait_gets_the_job(gateway: Gateway, tenant: str, contract: str) -> None:
    gateway.store.workspace(tenant, "w-1", {"env": "dev"})
    path, body = {
        "detach": (DETACH, {"names": ["legacy"], "sources": new_ids(2)}),
        "delete": (_delete(tenant), {"tags": [{"key": "env"}]}),
    }[contract]
    with gateway.client(tenant) as client:
        answer = client.post(path, json=body, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202
        assert answer.headers["preference-applied"] == "respond-async"
        job = answer.json()
        assert set(job) == SHOWN
        assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
        assert ended(client, answer.headers["location"])["status"] == "succeeded"
        assert len(gateway.store.outbox(job["id"])) == 1


def test_a_wait_of_its_own_is_honoured(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str
) -> None:
    idle_gateway.store.workspace(tenant, "w-1", {"env": "dev"})
    with idle_gateway.client(tenant) as client:
        start = datetime.now(UTC)
        preferred = {"Prefer": "wait=1"}
        detach = client.post(DETACH, json={"names": ["a"]}, headers=preferred)
        delete = client.post(_delete(tenant), json={"tags": [{"key": "env"}]}, headers=preferred)
        assert timedelta(seconds=2) <= datetime.now(UTC) - start < timedelta(seconds=6)
        assert (detach.status_code, delete.status_code) == (202, 408)
        assert delete.json()["error_code"] == "common.00000408"
        assert delete.json()["error_msg"] == "timeout exception occurred"
        for answer in (detach, delete):
            assert answer.headers["preference-applied"] == "wait=1"
            assert client.get(answer.headers["location"]).json()["status"] == "queued"
        both = {"Prefer": "respond-async, wait=1"}
        again = client.post(_delete(tenant), json={"tags": [{"key": "x"}]}, headers=both)
        assert again.status_code == 202
        idle_stack.start_worker()
        for answer in (detach, delete, again):
            assert ended(client, answer.headers["location"])["status"] == "succeeded"
    assert idle_gateway.store.workspace_tags(tenant) == set()


@pytest.fixture
def keyed() -> dict[str, str]:
    """The header of a key that no other test has."""
    return {"Idempotency-Key": f"k {uuid4()}"}


def test_the_same_key_is_the_same_job(gateway: Gateway, tenant: str, keyed: dict[str, str]) -> None:
    ids = new_ids(2)
    gateway.store.tag(tenant, "legacy", sources=ids)
    body = {"names": ["legacy"], "sources": ids}
    with gateway.client(tenant) as client:
        first = client.post(DETACH, json=body, headers=keyed)
        gateway.store.tag(tenant, "legacy", sources=ids)
        second = client.post(DETACH.rstrip("/"), json=body, headers=keyed)
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json() == second.json()
        assert client.get(JOBS).json()["count"] == 1
    assert len(gateway.store.links(tenant)) == 2


def test_another_request_under_a_key_is_refused(
    redis_gateway: Gateway, tenant: str, keyed: dict[str, str]
) -> None:
    redis_gateway.store.workspace(tenant, "w-1", {"env": "dev"})
    redis_gateway.store.workspace(tenant, "w-2", {"env": "dev"})
    body = {"names": ["legacy"], "sources": new_ids(2)}
    with redis_gateway.client(tenant, headers=keyed) as client:
        assert client.post(DETACH, json=body).status_code == 200
        assert client.post(DETACH, json={**body, "sources": new_ids(2)}).status_code == 422
        assert client.post(JOBS, json={"kind": "detach", **body}).status_code == 422
        refused = client.post(_delete(tenant), json={"tags": [{"key": "env"}]})
        assert (refused.status_code, refused.json()["error_code"]) == (409, "common.00000409")
        # authorisation first: nothing is learnt of another project's keys
        assert client.post(_delete("p-other"), json={"tags": [{"key": "e"}]}).status_code == 403
        sys_tags = client.post(_delete(tenant), json={"sys_tags": [{"key": "env"}]})
        assert sys_tags.status_code == 403
        assert client.get(JOBS).json()["count"] == 1
    with redis_gateway.client(f"{tenant}-b", headers=keyed) as another:
        assert another.post(DETACH, json={"names": []}).status_code == 200


def test_another_path_under_a_key_is_refused_on_the_second_contract(
    redis_gateway: Gateway, tenant: str, keyed: dict[str, str]
) -> None:
    for name in ("w-1", "w-2"):
        redis_gateway.store.workspace(tenant, name, {"env": "dev"})
    body = {"tags": [{"key": "env"}]}
    with redis_gateway.client(tenant, headers=keyed) as client:
        statuses = [
            client.post(_delete(tenant, name), json=body).status_code
            for name in ("w-1", "w-2", "w-1")
        ]
    assert statuses == [204, 409, 204]


def test_many_at_once_under_one_key_are_one_job(
    redis_gateway: Gateway, tenant: str, keyed: dict[str, str]
) -> None:
    import asyncio

    ids = new_ids(2)
    redis_gateway.store.tag(tenant, "legacy", sources=ids)
    headers = {**keyed, "x-api-key": redis_gateway.credential(tenant).key}

    async def all_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=redis_gateway.url, headers=headers) as client:
            body = {"names": ["legacy"], "sources": ids}
            return await asyncio.gather(
                *(client.post(DETACH, json=body, timeout=60) for _ in range(20))
            )

    answers = asyncio.run(all_at_once())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len([row for row in redis_gateway.store.outbox() if row.tenant == tenant]) == 1


def test_a_client_that_goes_away_loses_nothing(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(2)
    idle_gateway.store.tag(tenant, "legacy", sources=ids)
    with idle_gateway.client(tenant) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(DETACH, json={"names": ["legacy"], "sources": ids}, timeout=1)
        waiting = "tagsweep_waiting_requests 0.0"
        assert eventually(lambda: waiting in client.get("/metrics").text)
        idle_stack.start_worker()
        eventually(lambda: not idle_gateway.store.links(tenant))


def test_jobs_of_any_kind_are_made(redis_gateway: Gateway, tenant: str) -> None:
    names = [f"w-{number}" for number in range(30)]
    for name in names:
        redis_gateway.store.workspace(tenant, name, {"env": "dev"})
    tags = [{"key": f"k-{number}"} for number in range(30)]
    body = {"kind": "delete", "workspaces": [*names, "w-x"], "tags": [*tags, {"key": "env"}]}
    with redis_gateway.client(tenant) as client:
        answer = client.post(JOBS, json={**body, "tenant": tenant})
        assert answer.status_code == 202
        job = ended(client, answer.headers["location"])
        assert job["status"] == "partial"
        assert job["counts"]["removed"] == 30
        assert job["tags"] == [{"key": "env", "value": "dev", "workspaces": 30}]
        assert {error["code"] for error in job["errors"]} == {"unknown_workspace"}
        foreign = client.post(JOBS, json={**body, "tenant": "another"})
        assert (foreign.status_code, foreign.json()["title"]) == (403, "Forbidden")
        system = client.post(JOBS, json={**body, "sys_tags": [{"key": "a"}]})
        assert system.status_code == 403
        assert client.get(JOBS).json()["count"] == 1


@pytest.mark.parametrize(
    "body,faults",
    [
        ({}, {"/kind"}),
        ({"kind": "sweep"}, {"/kind"}),
        ({"kind": ["detach"]}, {"/kind"}),
        ({"kind": "detach", "tables": ["x"], "tabels": []}, {"/names", "/tables/0", "/tabels"}),
        ({"kind": "detach", "names": [], "dry_run": 1, "max_affected": -1}, None),
        ({"kind": "delete", "tags": [{}]}, {"/workspaces", "/tags/0/key"}),
        ([], {""}),
    ],
)
def test_a_faulty_job_is_told_all_that_is_wrong(
    redis_gateway: Gateway, tenant: str, body: Any, faults: set[str] | None
) -> None:
    with redis_gateway.client(tenant) as client:
        answer = client.post(JOBS, json=body)
    told = {error["path"] for error in answer.json()["errors"]}
    assert answer.status_code == 400
    assert told == ({"/dry_run", "/max_affected"} if faults is None else faults)


def test_jobs_are_listed_in_pages_and_filtered(gateway: Gateway, tenant: str) -> None:
    with gateway.client(tenant) as client:
        made = []
        for number in range(7):
            body = {"kind": "detach", "names": [f"n-{number}"]}
            made.append(client.post(JOBS, json=body).json()["id"])
        for job_id in made:
            ended(client, JOBS + job_id)
        page = client.get(JOBS, params={"page_size": 3}).json()
        assert (page["count"], page["previous"]) == (7, None)
        seen = [page]
        while page["next"]:
            page = client.get(page["next"]).json()
            seen.append(page)
        ids = [job["id"] for page in seen for job in page["results"]]
        assert ids == made[::-1]
        back = client.get(seen[-1]["previous"]).json()
        assert back["results"] == seen[-2]["results"]
        assert client.get(back["previous"]).json()["results"] == seen[0]["results"]
        for query, count in (
            ({"kind": "detach", "status": "succeeded"}, 7),
            ({"kind": "delete"}, 0),
            ({"status": "running"}, 0),
            ({"since": seen[0]["results"][0]["accepted_at"]}, 1),
            ({"since": "2999-01-01T00:00:00Z"}, 0),
        ):
            assert client.get(JOBS, params=query).json()["count"] == count, query


@pytest.mark.parametrize(
    "query",
    ["kind=x", "status=x", "since=x", "page_size=0", "page_size=1001", "kind=detach&kind=delete"],
)
def test_a_filter_that_is_none_is_refused(gateway: Gateway, tenant: str, query: str) -> None:
    with gateway.client(tenant) as client:
        answer = client.get(f"{JOBS}?{query}")
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        for cursor in ("x", "Pg", "PmE", "%00", "8J-SqQ"):
            assert client.get(f"{JOBS}?cursor={cursor}").status_code == 404
            assert client.get(f"/api/v1/tables/?cursor={cursor}").status_code == 404


def test_a_job_of_another_tenant_is_not_there(redis_gateway: Gateway, tenant: str) -> None:
    with redis_gateway.client(tenant) as client, redis_gateway.client(f"{tenant}-b") as another:
        path = client.post(JOBS, json={"kind": "detach", "names": []}).headers["location"]
        ended(client, path)
        assert another.get(path).status_code == 404
        assert another.post(f"{path}/cancel").status_code == 404
        assert another.post(f"{path}/retry").status_code == 404


def test_a_recorded_job_is_cancelled(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(2)
    idle_gateway.store.tag(tenant, "legacy", sources=ids)
    with idle_gateway.client(tenant) as client:
        made = client.post(JOBS, json={"kind": "detach", "names": ["legacy"], "sources": ids})
        path = made.headers["location"]
        cancelled = client.post(f"{path}/cancel")
        assert cancelled.status_code == 202
        assert cancelled.json()["status"] == "cancelled"
        assert client.post(f"{path}/cancel").status_code == 409
        job_id = made.json()["id"]
        assert eventually(lambda: idle_stack.events(job_id))[0]["data"]["status"] == "cancelled"
        # and tried again it does what was left: all of it
        again = client.post(f"{path}/retry/")
        assert (again.status_code, again.json()["status"]) == (202, "queued")
        assert again.json()["accepted_at"] == made.json()["accepted_at"]
        idle_stack.start_worker()
        assert ended(client, path)["counts"]["removed"] == 2
        events = eventually(lambda: idle_stack.events(job_id)[1:])
        assert events[0]["id"] == f"{job_id}.2"
        assert client.post(f"{path}/retry").status_code == 409
    assert idle_gateway.store.links(tenant) == set()


def test_resources_are_listed_in_pages(gateway: Gateway, tenant: str) -> None:
    ids = sorted(new_ids(25))
    gateway.store.tag(tenant, "a", tables=ids[:20])
    gateway.store.tag(tenant, "b", tables=ids[10:], sources=ids)
    gateway.store.tag(f"{tenant}-b", "a", tables=new_ids(5))
    with gateway.client(tenant) as client:
        query = {"expand[]": "tags", "page_size": "10"}
        first = client.get("/api/v1/tables", params=query).json()
        second = client.get(first["next"]).json()
        third = client.get(second["next"]).json()
        assert [page["count"] for page in (first, second, third)] == [25] * 3
        rows = [row for page in (first, second, third) for row in page["results"]]
        assert [row["id"] for row in rows] == ids
        names = [[tag["name"] for tag in row["tags"]] for row in rows]
        assert names == [["a"]] * 10 + [["a", "b"]] * 10 + [["b"]] * 5
        assert (first["previous"], third["next"]) == (None, None)
        assert client.get(third["previous"]).json()["results"] == second["results"]
        assert client.get(second["previous"]).json()["results"] == first["results"]
        plain = client.get("/api/v1/tables/").json()["results"]
        assert plain == [{"id": one} for one in ids]
        assert client.get("/api/v1/tables/", params={"expand[]": "x"}).status_code == 400
