"""What stands behind the question mark: a parameter that a route does not know is refused."""

from __future__ import annotations

import codecs
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.gateway import Gateway
from tests.support.stack import eventually
from tests.support.stores import new_ids

JOBS = "/api/v1/jobs/"
LISTS = (JOBS, "/api/v1/sources/")


def _routes(gateway: Gateway) -> list[tuple[str, str]]:
    paths: dict[str, Any] = httpx.get(f"{gateway.url}/openapi.json").json()["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item]
    return [*found, ("GET", "/openapi.json")]


def test_every_route_refuses_a_parameter_that_it_does_not_know(
    redis_gateway: Gateway, tenant: str
) -> None:
    routes = _routes(redis_gateway)
    assert len(routes) >= 20
    with redis_gateway.client(tenant, operator=True) as client:
        for method, path in routes:
            filled = path.replace("{project_id}", tenant).replace("{workspace_id}", "w-1")
            filled = filled.replace("{job_id}", str(uuid4())).replace("{tag_id}", str(uuid4()))
            for spelled in {filled, filled.rstrip("/"), filled.rstrip("/") + "/"}:
                answer = client.request(method, spelled, params={"staus": "failed"})
                assert answer.status_code == 400, (method, spelled)
                assert "staus" in answer.text
        assert client.get(JOBS).json()["count"] == 0


def test_a_near_miss_is_named(redis_gateway: Gateway, tenant: str) -> None:
    with redis_gateway.client(tenant) as client:
        answer = client.get(JOBS, params={"staus": "failed"})
        assert answer.headers["content-type"] == "application/problem+json"
        detail = 'Unknown query parameter "staus". Did you mean "status"?'
        assert answer.json()["detail"] == detail
        detach = client.post("/api/v1/tags/detach/?wait=1", json={"names": []})
        assert detach.json() == {"detail": 'Unknown query parameter "wait". There are none here.'}
        assert client.get(JOBS, params={"cursor": "bm9uZQ"}).status_code == 404


def _listed(gateway: Gateway, client: httpx.Client, tenant: str, path: str) -> list[str]:
    """Make seven of what is listed; return their ids in the order of the list."""
    if path == JOBS:
        body = {"kind": "detach", "names": ["n"]}
        made = [client.post(JOBS, json=body).json()["id"] for _ in range(7)]
        # a job that ends between two looks at its page is another one in each
        done = {"status": "succeeded"}
        eventually(lambda: client.get(JOBS, params=done).json()["count"] == len(made))
        return made[::-1]
    ids = new_ids(7)
    gateway.store.tag(tenant, "one", sources=ids)
    gateway.store.tag(tenant, "two", sources=ids[3:])
    return sorted(ids)


@pytest.mark.parametrize("path", LISTS)
def test_lists_are_read_by_the_number_of_the_page(gateway: Gateway, tenant: str, path: str) -> None:
    with gateway.client(tenant) as client:
        made = _listed(gateway, client, tenant, path)
        page = client.get(path, params={"page": 1, "page_size": 3}).json()
        assert (page["count"], page["previous"]) == (7, None)
        seen = [page]
        while page["next"]:
            assert "page=" in page["next"]
            page = client.get(page["next"]).json()
            seen.append(page)
        assert [one["id"] for some in seen for one in some["results"]] == made
        assert [len(some["results"]) for some in seen] == [3, 3, 1]
        assert client.get(seen[2]["previous"]).json() == seen[1]
        whole = client.get(path, params={"page": 1}).json()
        assert [one["id"] for one in whole["results"]] == made
        assert (whole["next"], whole["previous"]) == (None, None)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query,status",
    [
        ("page=0", 404),
        ("page=-1", 404),
        ("page=2", 404),
        ("page=x", 404),
        ("page=", 404),
        ("page=%D9%A1", 404),
        ("page=99999999999999999999", 404),
        ("page=1&page=2", 400),
        ("page=1&cursor=PmFi", 404),
        ("page=1", 200),
    ],
)
def test_a_page_that_there_is_not_is_told(
    redis_gateway: Gateway, tenant: str, path: str, query: str, status: int
) -> None:
    with redis_gateway.client(tenant) as client:
        assert client.get(f"{path}?{query}").status_code == status


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId", "Last-Event-ID"])
def test_the_feed_is_resumed_by_a_parameter_too(
    redis_gateway: Gateway, tenant: str, name: str
) -> None:
    with redis_gateway.client(tenant) as client:
        for value, status in (("x", 400), ("-1", 400), (str(10**15), 400)):
            answer = client.get("/api/v1/events", params={name: value})
            assert answer.status_code == status
        with client.stream("GET", "/api/v1/events", params={name: 0}) as answer:
            assert answer.status_code == 200
        # a browser that connects anew asks for its first URL, and tells the newest id in the header
        given = {"params": {name: "x"}, "headers": {"Last-Event-ID": "0"}}
        with client.stream("GET", "/api/v1/events", **given) as answer:  # type: ignore[arg-type]  # httpx's own
            assert answer.status_code == 200


@pytest.mark.parametrize("long", [False, True])
def test_a_byte_order_mark_before_json_is_passed_over(
    redis_gateway: Gateway, tenant: str, *, long: bool
) -> None:
    ids = new_ids(2_000 if long else 1)
    redis_gateway.store.tag(tenant, "legacy", sources=ids)
    redis_gateway.store.workspace(tenant, "w-1", {"env": "dev"})
    paths = {
        "/api/v1/tags/detach/": {"names": ["legacy"], "sources": ids},
        f"/v1/{tenant}/fabric-workspace/w-1/tags/delete": {"tags": [{"key": "env"}]},
        JOBS: {"kind": "detach", "names": ["legacy"], "sources": ids},
    }
    headers = {"Content-Type": "application/json"}
    with redis_gateway.client(tenant, headers=headers) as client:
        for path, body in paths.items():
            answer = client.post(path, content=codecs.BOM_UTF8 + json.dumps(body).encode())
            assert answer.status_code in (200, 202, 204), answer.text
    assert redis_gateway.store.links(tenant) == set()
