"""Undo by message, from Python, over HTTP and by the command: the same job from every door."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tagsweep import TagSweep
from tagsweep.worker.errors import InvalidJob, JobRejected
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack, Stack, producing
from tests.support.stores import (
    attached,
    counts,
    new_ids,
    new_tenant,
)

JOBS = "/api/v1/jobs/"


def test_a_message_undoes_a_job_and_another_one_that(stack: Stack, tenant: str) -> None:
    ids = new_ids(3)
    stack.store.tag(tenant, "legacy", tables=ids)
    body = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    first = stack.run("tags.detach", body)
    done = stack.run("tags.undo", {"tenant": tenant, "job": first["job_id"].upper()})
    assert (done["kind"], done["undoes"]) == ("undo", first["job_id"])
    assert done["counts"] == attached(total=3, added=3)
    (event,) = stack.events(done["job_id"])
    assert (event["type"], event["data"]) == ("tagsweep.undo.completed", done)
    assert len(stack.store.links(tenant)) == 3
    again = stack.run("tags.undo", {"tenant": tenant, "job": done["job_id"]})
    assert again["counts"] == counts(total=3, removed=3)
    assert stack.store.links(tenant) == set()


@pytest.mark.parametrize("body", [{}, {"job": "x"}, {"job": None}, {"job": 3}, {"job": "*"}])
def test_a_message_that_names_no_job_is_rejected(
    redis_stack: ServerStack, tenant: str, body: dict[str, Any]
) -> None:
    with pytest.raises(JobRejected, match="job: "):
        redis_stack.send("tags.undo", {"tenant": tenant, **body}).get(timeout=30)


def test_a_message_about_another_tenants_job_is_rejected(
    redis_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(2)
    redis_stack.store.tag(tenant, "legacy", tables=ids)
    body = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    first = redis_stack.run("tags.detach", body)
    with pytest.raises(JobRejected, match="There is no job"):
        redis_stack.send("tags.undo", {"tenant": "other", "job": first["job_id"]}).get(timeout=30)
    assert redis_stack.store.links(tenant) == set()


def test_python_undoes_a_job(redis_stack: ServerStack, tenant: str) -> None:
    ids = new_ids(2)
    with producing(redis_stack) as sender:
        first = sender.attach(tenant=tenant, names=["new"], tables=ids)
        first.result(timeout=60)
        preview = sender.undo(tenant=tenant, job=first.id, dry_run=True).result(timeout=60)
        assert (preview["dry_run"], preview["counts"]["removed"]) == (True, 2)
        done = sender.undo(tenant=tenant, job=first.id).result(timeout=60)
        with pytest.raises(InvalidJob, match="job: Must be a valid UUID"):
            sender.undo(tenant=tenant, job="x")
    assert done["counts"] == counts(total=2, removed=2)
    assert redis_stack.store.links(tenant) == set()


def test_python_undoes_a_job_by_its_handle(server_stack: ServerStack, tenant: str) -> None:
    ids = new_ids(2)
    with producing(server_stack) as sender:
        first = sender.attach(tenant=tenant, names=["new"], tables=ids)
        first.result(timeout=60)
        preview = first.undo(dry_run=True, note="a try").result(timeout=60)
        assert (preview["undoes"], preview["counts"]["removed"]) == (first.id, 2)
        assert preview["note"] == "a try"
        own = uuid4()
        undone = first.undo(job_id=own)
        assert undone.id == str(own)
        assert undone.result(timeout=60)["counts"] == counts(total=2, removed=2)
        assert server_stack.store.links(tenant) == set()
        again = undone.undo().result(timeout=60)
        assert again["counts"] == attached(total=2, added=2)
        found = sender.job(again["job_id"].upper(), tenant=tenant)
        assert found.undo().result(timeout=60)["counts"] == counts(total=2, removed=2)
        with pytest.raises(JobRejected, match="There is no job"):
            sender.job(first.id, tenant="other").undo().result(timeout=60)


def test_a_handle_that_knows_no_tenant_says_how_to_get_one_that_does(unheard: TagSweep) -> None:
    with pytest.raises(ValueError, match="tenant=…"):
        unheard.job(uuid4()).undo()


def test_over_http_an_undo_is_a_job_of_its_own(gateway: Gateway, tenant: str) -> None:
    ids = new_ids(2)
    gateway.store.tag(tenant, "legacy", tables=ids)
    with gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": ids}
        first = client.post(JOBS, json=body).headers["location"]
        ended(client, first)
        keyed = {"Idempotency-Key": f"k {uuid4()}"}
        made = [client.post(f"{first}/undo", headers=keyed) for _ in range(2)]
        assert [answer.status_code for answer in made] == [202, 202]
        assert len({answer.headers["location"] for answer in made}) == 1
        assert made[0].headers["location"] != first
        job = ended(client, made[0].headers["location"])
        assert (job["kind"], f"{JOBS}{job['undoes']}") == ("undo", first)
        assert job["counts"] == attached(total=2, added=2)
        told = client.get(f"{JOBS}{job['id']}/receipt?outcome=added").text
        assert len(told.splitlines()) == 2
        undo = {"kind": "undo", "job": first.rpartition("/")[2], "max_affected": 0}
        guarded = ended(client, client.post(JOBS, json=undo).headers["location"])
        assert (guarded["status"], guarded["counts"]["present"]) == ("succeeded", 2)
        assert client.get(f"{JOBS}?kind=undo").json()["count"] == 2
        assert 'tagsweep_items_added{kind="undo"}' in client.get("/metrics").text
    assert len(gateway.store.links(tenant)) == 2


def test_http_says_why_a_job_cannot_be_undone(idle_gateway: Gateway, tenant: str) -> None:
    with idle_gateway.client(tenant) as client, idle_gateway.client(f"{tenant}-b") as another:
        body = {"kind": "detach", "names": ["legacy"], "tables": new_ids(2)}
        path = client.post(JOBS, json=body).headers["location"]
        own = {"kind": "undo", "job": path.rpartition("/")[2]}
        for refused in (client.post(f"{path}/undo"), client.post(JOBS, json=own)):
            assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")
            assert "wait until it ends, or cancel it" in refused.json()["detail"]
        for unknown in (
            another.post(f"{path}/undo"),
            another.post(JOBS, json=own),
            client.post(f"{JOBS}{uuid4()}/undo"),
            client.post(f"{JOBS}x/undo"),
        ):
            assert unknown.status_code == 404
        assert client.post(JOBS, json={**own, "job": "x"}).status_code == 400
        assert client.get(JOBS).json()["count"] == 1


def test_system_tags_come_back_by_operators_alone(redis_gateway: Gateway, tenant: str) -> None:
    redis_gateway.store.workspace(tenant, "w", None, {"env": "x"})
    body = {"kind": "delete", "workspaces": ["w"], "sys_tags": [{"key": "env"}]}
    with (
        redis_gateway.client(tenant, operator=True) as operator,
        redis_gateway.client(tenant) as user,
    ):
        path = operator.post(JOBS, json=body).headers["location"]
        ended(operator, path)
        assert user.post(f"{path}/undo").status_code == 403
        undo = operator.post(f"{path}/undo").headers["location"]
        assert ended(operator, undo)["counts"]["added"] == 1
        assert user.post(f"{undo}/undo").status_code == 403


@pytest.fixture(params=["remote", "direct"])
def run(request: pytest.FixtureRequest, up_gateway: Gateway, tmp_path: Path) -> CommandLine:
    """The command of a tenant, through a gateway or straight to its store."""
    tenant = new_tenant()
    way = {"database_url": str(up_gateway.settings["database_url"])}
    if request.param == "remote":
        way = {"url": up_gateway.url, "api_key": up_gateway.credential(tenant).key}
    command = CommandLine(tmp_path, **way)
    command.settings["tenant"] = tenant
    return command


@pytest.mark.slow
def test_the_command_undoes_and_waits(run: CommandLine, up_gateway: Gateway) -> None:
    tenant, ids = run.settings["tenant"], new_ids(2)
    up_gateway.store.tag(tenant, "legacy", tables=ids)
    arguments = ("--tenant", tenant, "--name", "legacy", "--tables", ",".join(ids), "--json")
    first = run("detach", *arguments).json["job_id"]
    preview = run("jobs", "undo", first, "--dry-run", "--json").json
    assert (preview["dry_run"], preview["counts"]["added"]) == (True, 2)
    done = run("jobs", "undo", first, "--json")
    assert (done.status, done.err, done.json["undoes"]) == (0, "", first)
    assert done.json["counts"] == attached(total=2, added=2)
    left = run("jobs", "undo", first, "--no-wait")
    assert run("jobs", "watch", left.out.strip()).status == 0
    assert first in run("jobs", "list").out
    for job_id, reason in (
        (preview["job_id"], "was a dry run"),
        (str(uuid4()), "There is no job"),
        ("x", "UUID"),
    ):
        refused = run("jobs", "undo", job_id)
        assert (refused.status, refused.out) == (2, "")
        assert reason in refused.err
        assert len(refused.err.splitlines()) == 1
