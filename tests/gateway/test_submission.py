"""How a request becomes a job: at once or behind, and once, whatever is repeated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids

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
    "request",
    "requested_by",
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_synchronous_answer_tells_its_job_and_whether_it_is_a_replay(
    gateway: Gateway, tenant: str, keyed: dict[str, str]
) -> None:
    gateway.store.tag(tenant, "legacy")
    gateway.store.workspace(tenant, "w-1", {"env": "dev"})
    detach = DETACH, {"names": ["legacy"]}, 200
    delete = _delete(tenant), {"tags": [{"key": "env"}]}, 204
    attach = DETACH.replace("detach", "attach"), {"names": ["x"], "tables": new_ids(1)}, 200
    with gateway.client(tenant) as client:
        for path, body, status in (detach, delete, attach):
            own = {"Idempotency-Key": keyed["Idempotency-Key"] + path}
            first, again = (client.post(path, json=body, headers=own) for _ in range(2))
            assert (first.status_code, again.status_code) == (status, status)
            assert "idempotent-replayed" not in first.headers
            assert again.headers["idempotent-replayed"] == "true"
            assert first.headers["content-location"] == again.headers["content-location"]
            job = client.get(first.headers["content-location"]).json()
            assert (job["id"] in first.headers["content-location"], job["kind"]) == (
                True,
                {DETACH: "detach", _delete(tenant): "delete"}.get(path, "attach"),
            )
            assert job["requested_by"]["door"] == "http"
            assert job["requested_by"]["proved"] is True
            receipt = client.get(f"{first.headers['content-location']}/receipt")
            assert receipt.status_code == 200


def test_a_202_tells_whether_it_is_a_replay(
    redis_gateway: Gateway, tenant: str, keyed: dict[str, str]
) -> None:
    body = {"kind": "detach", "names": ["legacy"], "note": "why"}
    with redis_gateway.client(tenant, headers=keyed) as client:
        first, again = (client.post(JOBS, json=body) for _ in range(2))
        assert first.headers["location"] == again.headers["location"]
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json()["note"] == "why"


def test_who_asks_is_said_by_the_credential_alone(redis_gateway: Gateway, tenant: str) -> None:
    said = {"kind": "detach", "names": ["a"], "requested_by": {"name": "somebody else"}}
    with redis_gateway.client(tenant) as client:
        refused = client.post(JOBS, json=said)
        assert refused.status_code == 403
        assert refused.json()["detail"] == "The credential says who asks: leave out requested_by."
        for path in (DETACH, "/api/v1/tags/attach/"):
            own = {"names": ["a"], "tables": new_ids(1), "note": "x", "requested_by": {}}
            told = client.post(path, json=own)
            assert (told.status_code, set(told.json())) == (400, {"note", "requested_by"})
        for call in ("delete", "create"):
            path = f"/v1/{tenant}/fabric-workspace/w-1/tags/{call}"
            tags = [{"key": "a", "value": "b"}]
            told = client.post(path, json={"tags": tags, "requested_by": {}})
            assert (told.status_code, told.json()["error_code"]) == (400, "common.01000001")
            assert "requested_by" in told.json()["error_msg"]
