"""What a key allows: scopes on every route, its end, rotation, and keys that span tenants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import insert

from tagsweep.producer.gateway.auth import credentials, grants, listing
from tagsweep.worker.models.tables import credential
from tests.support.gateway import Gateway, ended
from tests.support.stack import eventually
from tests.support.stores import new_ids, new_tenant

METHODS = ("get", "post", "put", "patch", "delete")
OTHERS = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/docs"}
#: what a scope allows to do with a job, where that has another name
ACTIONS = {"approve": "run"}
#: what only looks things up, by a body
SEARCHES = ("/resource-instances/filter", "/resource-instances/count")
JOB = {"kind": "detach", "names": ["legacy"], "tables": "*"}


class World:
    """A tenant of a gateway, with keys of many kinds."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.tenant = new_tenant()

    def client(self, *scopes: str, **grant: Any) -> httpx.Client:
        """Return a client whose key has these scopes and ``read``."""
        wanted = ("read", *scopes) if scopes else grants.SCOPES
        return self.gateway.client(grant.pop("tenant", self.tenant), scopes=wanted, **grant)

    def routes(self) -> list[tuple[str, str, bool]]:
        """Return method and path of every documented operation, and whether it needs a key."""
        document = httpx.get(f"{self.gateway.url}/openapi.json").json()
        ids = {"project_id": self.tenant, "workspace_id": "w-1"}
        return [
            (method, _filled(path, ids), bool(operation.get("security")))
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        ]


def _filled(path: str, ids: dict[str, str]) -> str:
    parts = [part.strip("{}") if part.startswith("{") else None for part in path.split("/")]
    named = [
        segment if name is None else ids.get(name, str(uuid4()))
        for segment, name in zip(path.split("/"), parts, strict=True)
    ]
    return "/".join(named)


@pytest.fixture(scope="module")
def world(redis_gateway: Gateway) -> World:
    """A tenant that no other test knows."""
    return World(redis_gateway)


def _status(client: httpx.Client, method: str, path: str) -> int:
    """Return the status of a request; of a feed, which never ends, only its head is read."""
    body = b"{}" if method in ("post", "put", "patch") else None
    head = {"Content-Type": "application/json"} if body else {}
    with client.stream(method, path, content=body, headers=head) as answer:
        return answer.status_code


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["read", "preview", "undo", "approve"])
def test_on_every_route_a_key_without_the_scope_is_refused(world: World, scope: str) -> None:
    secured = [(method, path) for method, path, is_secured in world.routes() if is_secured]
    assert len(secured) > 12
    with world.client(scope) as client:
        for method, path in secured:
            status = _status(client, method, path)
            may = method == "get" or path.endswith(f"/{ACTIONS.get(scope, scope)}")
            # a body decides which scope a job of this route needs: it is read first
            may |= path == "/api/v1/jobs/" and scope in ("preview", "undo")
            may |= path.endswith(SEARCHES)
            assert (status != 403) is may, (method, path, status)


@pytest.mark.slow
def test_every_route_needs_a_key_or_is_meant_to_be_open(world: World) -> None:
    for method, path, is_secured in world.routes():
        if not is_secured:
            assert path in OTHERS
            continue
        with httpx.Client(base_url=world.gateway.url) as stranger:
            assert _status(stranger, method, path) == 401, (method, path)


@pytest.mark.parametrize(
    "scope, body, status",
    [
        ("read", JOB, 403),
        ("preview", JOB, 403),
        ("preview", {**JOB, "dry_run": True}, 202),
        ("write", JOB, 202),
        ("write", {**JOB, "dry_run": True}, 202),
        ("write", {"kind": "undo", "job": str(uuid4())}, 403),
        ("undo", JOB, 403),
        ("undo", {"kind": "undo", "job": str(uuid4())}, 404),
        ("approve", JOB, 403),
    ],
)
def test_the_scope_that_a_job_needs_follows_from_what_it_does(
    world: World, scope: str, body: dict[str, Any], status: int
) -> None:
    with world.client(scope) as client:
        answer = client.post("/api/v1/jobs/", json=body)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["detail"].startswith("The key lacks the scope ")


def test_a_refusal_for_want_of_a_scope_has_the_shape_of_its_path(world: World) -> None:
    with world.client("read") as client:
        detach = client.post("/api/v1/tags/detach/", json={"names": ["x"], "tables": []})
        path = f"/v1/{world.tenant}/fabric-workspace/w-1/tags/delete"
        delete = client.post(path, json={"tags": [{"key": "env"}]})
        job = client.post("/api/v1/jobs/", json=JOB)
    assert (detach.status_code, delete.status_code, job.status_code) == (403, 403, 403)
    assert set(detach.json()) == {"detail"}
    assert delete.json()["error_code"] == 403
    assert job.headers["content-type"] == "application/problem+json"


def test_a_key_has_an_end(world: World) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    with world.client(expires_at=soon) as client:
        assert client.get("/api/v1/jobs/").status_code == 200
        eventually(lambda: client.get("/api/v1/jobs/").status_code == 401)
        assert datetime.now(UTC) >= soon
        assert client.get("/api/v1/jobs/").json()["detail"] == "This API key has expired."


def test_an_expired_key_ends_on_the_other_contract_s_path_too(world: World) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    path = f"/v1/{world.tenant}/fabric-workspace/w-1/tags/delete"
    with world.client(expires_at=past) as client:
        answer = client.post(path, json={"tags": [{"key": "env"}]})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIG.1002")


def test_a_rotated_key_and_the_new_one_are_both_valid_for_a_while(world: World) -> None:
    made = world.gateway.credential(world.tenant, name="ci", scopes=("read", "undo"), operator=True)
    with world.gateway.store.transaction() as connection:
        old = credentials.find(connection, str(made.id))
        assert old is not None
        new = credentials.rotate(connection, old, timedelta(seconds=1.5))
    with httpx.Client(base_url=world.gateway.url) as client:

        def status(key: str) -> int:
            return client.get("/api/v1/jobs/", headers={"x-api-key": key}).status_code

        assert (status(made.key), status(new.key)) == (200, 200)
        eventually(lambda: status(made.key) == 401)
        assert status(new.key) == 200
    with world.gateway.store.transaction() as connection:
        rows = listing.listed(connection, world.tenant)
    (kept,) = (row for row in rows if row["id"] == str(new.id))
    assert (kept["name"], kept["scopes"], kept["operator"]) == ("ci", ["read", "undo"], True)


@pytest.fixture
def admin(world: World) -> Iterator[httpx.Client]:
    """A client with an admin key."""
    with world.client(tenant="", admin=True) as client:
        yield client


def test_an_admin_sees_and_controls_the_jobs_of_all_tenants(
    world: World, admin: httpx.Client
) -> None:
    jobs = {}
    for tenant in (world.tenant, new_tenant()):
        with world.client(tenant=tenant) as client:
            jobs[tenant] = client.post("/api/v1/jobs/", json=JOB).json()["id"]
    listed = {job["id"] for job in admin.get("/api/v1/jobs/?page_size=100").json()["results"]}
    assert {*jobs.values()} <= listed
    for tenant, job_id in jobs.items():
        found = admin.get(f"/api/v1/jobs/?tenant={tenant}&page_size=100").json()["results"]
        assert {job["tenant"] for job in found} == {tenant}
        assert ended(admin, f"/api/v1/jobs/{job_id}")["tenant"] == tenant
        assert admin.get(f"/api/v1/jobs/{job_id}/receipt").status_code == 200
        assert admin.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 409  # it has ended
    assert admin.get(f"/api/v1/jobs/{uuid4()}").status_code == 404


@pytest.mark.slow
def test_whatever_else_belongs_to_a_tenant_is_not_an_admin_s(
    world: World, admin: httpx.Client
) -> None:
    for method, path, is_secured in world.routes():
        spans = path.startswith(("/api/v1/jobs/", "/api/v1/audit/")) and not path.endswith("/undo")
        if is_secured and (not spans or (method, path) == ("post", "/api/v1/jobs/")):
            assert _status(admin, method, path) in (401, 403), (method, path)


def test_a_tenant_s_key_lists_no_other_tenant_s_jobs(world: World) -> None:
    with world.client() as client:
        assert client.get(f"/api/v1/jobs/?tenant={world.tenant}").status_code == 200
        assert client.get("/api/v1/jobs/?tenant=another").status_code == 403


def test_a_key_made_by_an_older_version_keeps_all_that_it_could_do(world: World) -> None:
    made = world.gateway.credential(world.tenant)
    row = {"id": uuid4(), "prefix": "0a1b2c3d4e5f", "tenant": world.tenant}
    key = f"ts_{row['prefix']}_secret"
    with world.gateway.store.transaction() as connection:
        connection.execute(
            insert(credential),
            {**row, "key_hash": credentials._hash(key), "operator": False},
        )
        old = credentials.find(connection, str(row["id"]))
        new = credentials.find(connection, str(made.id))
    assert old is not None
    assert new is not None
    assert (old.scopes, old.admin, old.expires_at) == (new.scopes, False, None)
    with httpx.Client(base_url=world.gateway.url, headers={"x-api-key": key}) as client:
        body = {"names": ["x"], "tables": new_ids(1)}
        assert client.post("/api/v1/tags/detach/", json=body).status_code == 200
        assert json.loads(client.get("/api/v1/jobs/").text)["count"] >= 1
