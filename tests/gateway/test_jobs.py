"""What ``/api/v1/jobs/`` takes, shows, lists and refuses; and the lists of resources."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids

JOBS = "/api/v1/jobs/"


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


@pytest.mark.slow
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
