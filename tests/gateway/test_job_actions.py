"""Pause and resume over HTTP and by the command: a paused job stands still, whoever works."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import update

from tagsweep.worker.models.tables import job
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack
from tests.support.stores import new_ids

JOBS = "/api/v1/jobs/"


@pytest.mark.slow
def test_a_paused_job_stands_still_till_it_is_resumed(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(3)
    idle_gateway.store.tag(tenant, "legacy", tables=ids)
    with idle_gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": ids}
        path = client.post(JOBS, json=body).headers["location"]
        for _ in range(2):  # once more changes nothing
            paused = client.post(f"{path}/pause")
            assert (paused.status_code, paused.json()["paused"]) == (202, True)
        idle_stack.start_worker()
        later = client.post(JOBS, json={"kind": "detach", "names": ["legacy"], "volumes": ids})
        assert ended(client, later.headers["location"])["status"] == "succeeded"
        assert client.get(path).json()["counts"]["removed"] == 0
        assert len(idle_gateway.store.links(tenant)) == 3
        resumed = client.post(f"{path}/resume/")
        assert resumed.status_code == 202
        assert resumed.headers["location"] == path
        assert "paused" not in resumed.json()
        assert ended(client, path)["counts"]["removed"] == 3


@pytest.mark.parametrize("order", ["pause", "resume"])
def test_a_job_that_has_ended_is_neither_paused_nor_resumed(
    redis_gateway: Gateway, tenant: str, order: str
) -> None:
    with redis_gateway.client(tenant) as client, redis_gateway.client(f"{tenant}-b") as another:
        path = client.post(JOBS, json={"kind": "detach", "names": []}).headers["location"]
        ended(client, path)
        refused = client.post(f"{path}/{order}")
        assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")
        assert "has ended: succeeded" in refused.json()["detail"]
        assert another.post(f"{path}/{order}").status_code == 404
        assert client.post(f"{JOBS}x/{order}").status_code == 404


def test_a_job_that_is_being_cancelled_is_not_paused(idle_gateway: Gateway, tenant: str) -> None:
    with idle_gateway.client(tenant) as client:
        path = client.post(JOBS, json={"kind": "detach", "names": ["x"]}).headers["location"]
        with idle_gateway.store.transaction() as connection:  # a chunk is still in somebody's hand
            this = job.c.id == UUID(path.rpartition("/")[2])
            connection.execute(update(job).where(this).values(cancelling=True))
        refused = client.post(f"{path}/pause")
    assert (refused.status_code, "being cancelled" in refused.json()["detail"]) == (409, True)


@pytest.mark.slow
def test_a_paused_job_that_is_cancelled_and_retried_goes_on(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(3)
    idle_gateway.store.tag(tenant, "legacy", tables=ids)
    with idle_gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": ids}
        path = client.post(JOBS, json=body).headers["location"]
        for order in ("pause", "cancel", "retry"):
            assert client.post(f"{path}/{order}").status_code == 202, order
        idle_stack.start_worker()
        assert ended(client, path)["counts"]["removed"] == 3


@pytest.mark.slow
def test_the_command_pauses_and_resumes_through_a_gateway(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str, tmp_path: Path
) -> None:
    ids = new_ids(1)
    idle_gateway.store.tag(tenant, "legacy", tables=ids)
    key = idle_gateway.credential(tenant).key
    run = CommandLine(tmp_path, url=idle_gateway.url, api_key=key)
    arguments = ("--tenant", tenant, "--name", "legacy", "--tables", ids[0], "--no-wait")
    job_id = run("detach", *arguments).out.strip()
    assert "is paused" in run("jobs", "pause", job_id).out
    assert run("jobs", "show", job_id, "--json").json["paused"] is True
    assert "continues" in run("jobs", "resume", job_id).out
    idle_stack.start_worker()
    assert run("jobs", "watch", job_id).status == 0
    late = run("jobs", "pause", job_id)
    assert (late.status, "has ended: succeeded" in late.err) == (1, True)
