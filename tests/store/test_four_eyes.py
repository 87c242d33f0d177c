"""What somebody else has to approve, through every door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.errors import JobRejected
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack, producing
from tests.support.stores import counts, new_ids

JOBS = "/api/v1/jobs/"
PREVIEW: dict[str, Any] = {"kind": "detach", "names": ["a"], "tables": "*", "dry_run": True}


@pytest.fixture(scope="module")
def four_eyes(
    postgres_server: Any, postgres_template: str, redis_server: Any, tmp_path_factory: Any
) -> Iterator[Gateway]:
    """A gateway and a worker where somebody else runs what was previewed; more than 5 has to be."""
    folder = tmp_path_factory.mktemp("four-eyes")
    url = postgres_server.create_database(postgres_template)
    stack = ServerStack("redis", folder, url, redis_server.create_database())
    rule = {"approval": "other", "approval_items": 5}
    stack.settings.update(rule)
    try:
        stack.start_worker()
        stack.wait()
        with serving(stack) as gateway:
            gateway.stack = stack  # type: ignore[attr-defined]  # for messages
            yield gateway
    finally:
        stack.close()


@pytest.mark.slow
def test_somebody_else_runs_what_was_previewed(four_eyes: Gateway, tenant: str) -> None:
    four_eyes.store.tag(tenant, "a", tables=new_ids(8))
    with four_eyes.client(tenant) as one, four_eyes.client(tenant) as other:
        path = one.post(JOBS, json=PREVIEW).headers["location"]
        assert ended(one, path)["counts"] == counts(total=8, removed=8)
        refused = one.post(f"{path}/run")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (
            403,
            "needs_approval",
        )
        assert len(four_eyes.store.links(tenant)) == 8
        place = other.post(f"{path}/run").headers["location"]
        assert ended(other, place)["counts"] == counts(total=8, removed=8)
        undone = ended(one, one.post(f"{place}/undo").headers["location"])
        assert undone["counts"]["added"] == 8


@pytest.mark.slow
@pytest.mark.not_mapped("on tags as resources and merges, which are about tagsweep's own tables")
def test_each_call_tells_in_its_own_shape_that_a_preview_is_needed(
    four_eyes: Gateway, tenant: str
) -> None:
    store, ids = four_eyes.store, new_ids(8)
    made = store.tag(tenant, "a", tables=ids)
    store.workspace(tenant, "w-1", {"env": "dev"})
    before = store.links(tenant), store.workspace_tags(tenant)
    tags = [{"key": f"k{number}", "value": "x"} for number in range(6)]
    with four_eyes.client(tenant) as client:
        for done in (
            client.post("/api/v1/tags/attach/", json={"names": ["b"], "tables": ids}),
            client.delete(f"/api/v1/tags/{made}/"),
        ):
            assert (done.status_code, list(done.json())) == (403, ["detail"])
            assert "preview the job" in done.json()["detail"]
        path = f"/v1/{tenant}/fabric-workspace/w-1/tags/create"
        created = client.post(path, json={"tags": tags})
        assert (created.status_code, created.json()["error_code"]) == (403, 403)
        assert "preview the job" in created.json()["solution_msg"]
        for body in (
            {"kind": "merge", "names": ["a"], "into": "c"},
            {"kind": "set", "workspaces": ["w-1"], "tags": tags},
        ):
            job = ended(client, client.post(JOBS, json=body).headers["location"])
            assert (job["status"], job["errors"][0]["code"]) == ("rejected", "needs_approval")
    assert (store.links(tenant), store.workspace_tags(tenant)) == before
    assert set(store.tags(tenant)) == {"a"}


@pytest.mark.slow
def test_more_items_than_allowed_need_a_preview_through_every_door(
    four_eyes: Gateway, tenant: str, tmp_path: Path
) -> None:
    stack: ServerStack = four_eyes.stack  # type: ignore[attr-defined]  # as above
    ids = new_ids(8)
    stack.store.tag(tenant, "a", tables=ids)
    stack.store.workspace(tenant, "w-1", {f"k{number}": "x" for number in range(6)})
    wanted = {"tenant": tenant, "names": ["a"], "tables": ids}
    with four_eyes.client(tenant) as client:
        for lists in ("*", ids):
            body = {"names": ["a"], "tables": lists}
            contract = client.post("/api/v1/tags/detach/", json=body)
            assert (contract.status_code, list(contract.json())) == (403, ["detail"])
            assert "preview the job" in contract.json()["detail"]
            job = ended(
                client, client.post(JOBS, json={"kind": "detach", **body}).headers["location"]
            )
            assert (job["status"], job["errors"][0]["code"]) == ("rejected", "needs_approval")
        few = client.post("/api/v1/tags/detach/", json={"names": ["a"], "tables": ids[:5]})
        assert few.status_code == 200
        tags = [{"key": f"k{number}"} for number in range(6)]
        deletion = client.post(
            f"/v1/{tenant}/fabric-workspace/w-1/tags/delete",
            json={"tags": tags},
            headers={"X-Auth-Token": client.headers["x-api-key"]},
        )
        assert (deletion.status_code, deletion.json()["error_code"]) == (403, 403)
        path = client.post(JOBS, json=PREVIEW).headers["location"]
        preview = ended(client, path)["id"]
    stack.store.tag(tenant, "a", tables=ids)
    with pytest.raises(JobRejected, match="more than may be changed without a preview"):
        stack.send("tags.detach", wanted).get(timeout=30)
    pending = stack.send("tags.run", {"tenant": tenant, "job": preview})
    with pytest.raises(JobRejected, match="through the gateway alone"):
        pending.get(timeout=30)
    assert stack.store.job(pending.id).errors[0]["code"] == "needs_approval"
    with producing(stack) as sender:
        with pytest.raises(JobRejected, match="through the gateway alone"):
            sender.run(tenant=tenant, job=preview).result(timeout=30)
        many = iter([*new_ids(25_000), *ids])
        streamed = sender.detach(tenant=tenant, names=["a"], tables=many)
        with pytest.raises(JobRejected, match="25,008 items are more"):
            streamed.result(timeout=60)
    direct = CommandLine(tmp_path, **{name: str(own) for name, own in stack.settings.items()})
    for arguments in (
        ("detach", "--tenant", tenant, "--name", "a", "--tables", "*"),
        ("jobs", "run", preview),
    ):
        refused = direct(*arguments)
        assert refused.status == 2, refused.err
    assert len(stack.store.links(tenant)) == 8
