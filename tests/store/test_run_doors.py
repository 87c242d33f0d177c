"""Run a preview through every door; and who may."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from tagsweep import TagSweep
from tagsweep.worker.errors import InvalidJob, JobRejected
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import job as jobs
from tests.support.cli import CommandLine
from tests.support.console import signed_in
from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack, Stack, producing
from tests.support.stores import counts, new_ids, new_tenant

JOBS = "/api/v1/jobs/"
PREVIEW: dict[str, Any] = {"kind": "detach", "names": ["a"], "tables": "*", "dry_run": True}


def test_messages_run_a_preview_once(stack: Stack, tenant: str) -> None:
    stack.store.tag(tenant, "a", tables=new_ids(3))
    preview = stack.detach(tenant, ["a"], tables="*", dry_run=True)
    wanted = {"tenant": tenant, "job": preview["job_id"].upper()}
    done = stack.run("tags.run", wanted)
    assert (done["kind"], done["previewed"]) == ("detach", preview["job_id"])
    assert done["counts"] == counts(total=3, removed=3)
    assert done["job_id"] == str(RunRequest.parse(wanted).job_id)
    again = stack.run("tags.run", wanted)
    assert again == done
    (event,) = stack.events(done["job_id"])
    assert (event["type"], event["data"]) == ("tagsweep.detach.completed", done)


@pytest.mark.parametrize(
    "body, words",
    [
        ({}, "job: This field is required"),
        ({"job": "x"}, "Must be a valid UUID"),
        ({"job": str(UUID(int=1))}, "There is no job"),
        ({"job": str(UUID(int=1)), "dry_run": True}, "dry_run: Unknown field"),
    ],
)
def test_a_message_that_cannot_be_a_run_is_refused(
    redis_stack: ServerStack, tenant: str, body: dict[str, Any], words: str
) -> None:
    with pytest.raises(JobRejected, match=words):
        redis_stack.send("tags.run", {"tenant": tenant, **body}).get(timeout=30)


def test_python_runs_a_preview_by_its_handle(server_stack: ServerStack, tenant: str) -> None:
    server_stack.store.tag(tenant, "a", tables=new_ids(3))
    with producing(server_stack, "nightly") as sender:
        handle = sender.detach(tenant=tenant, names=["a"], tables="*", dry_run=True)
        handle.result(timeout=60)
        run = handle.run(note="as agreed")
        done = run.result(timeout=60)
        assert (done["job_id"], done["note"]) == (run.id, "as agreed")
        assert done["requested_by"]["name"] == "nightly"
        assert done["counts"] == counts(total=3, removed=3)
        assert sender.run(tenant=tenant, job=handle.id).id == run.id
        with pytest.raises(JobRejected, match="is no preview"):
            run.run().result(timeout=60)
        assert run.undo().result(timeout=60)["counts"]["added"] == 3


def test_python_refuses_at_once_what_names_no_preview(unheard: TagSweep) -> None:
    with pytest.raises(InvalidJob, match="job: Must be a valid UUID"):
        unheard.run(tenant="acme", job="x")
    with pytest.raises(ValueError, match="tenant=…"):
        unheard.job(uuid4()).run()


def test_over_http_a_preview_has_one_run(gateway: Gateway, tenant: str) -> None:
    gateway.store.tag(tenant, "a", tables=new_ids(3))
    with gateway.client(tenant) as client, gateway.client(f"{tenant}-b") as another:
        path = client.post(JOBS, json=PREVIEW).headers["location"]
        ended(client, path)
        made = [client.post(f"{path}/run"), client.post(f"{path}/run/")]
        assert [answer.status_code for answer in made] == [202, 202]
        assert made[1].headers["idempotent-replayed"] == "true"
        (place,) = {answer.headers["location"] for answer in made}
        done = ended(client, place)
        assert (done["counts"], done["previewed"]) == (
            counts(total=3, removed=3),
            path.rpartition("/")[2],
        )
        assert done["requested_by"]["proved"] is True
        assert "credential" not in done["requested_by"]
        refused = client.post(f"{place}/run")
        assert (refused.status_code, refused.json()["title"]) == (409, "Conflict")
        assert "is no preview" in refused.json()["detail"]
        for unknown in (another.post(f"{path}/run"), client.post(f"{JOBS}{uuid4()}/run")):
            assert unknown.status_code == 404
        assert client.get(JOBS).json()["count"] == 2


def test_a_key_runs_its_own_previews_or_those_of_others(
    redis_gateway: Gateway, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, "a", tables=new_ids(3))

    def client(*scopes: str) -> Any:
        return redis_gateway.client(tenant, scopes=("read", *scopes))

    with client("preview", "write") as writer, client("approve") as approver:
        with client("preview") as previewer, client("write") as other:
            paths = [writer.post(JOBS, json=PREVIEW).headers["location"] for _ in range(2)]
            for path in paths:
                ended(writer, path)
            for key in (previewer, other):
                assert key.post(f"{paths[0]}/run").status_code == 403
        assert writer.post(f"{paths[0]}/run").status_code == 202
        assert approver.post(f"{paths[1]}/run").status_code == 202


@pytest.mark.slow
def test_a_preview_that_has_expired_is_run_through_no_door(
    redis_gateway: Gateway, redis_stack: ServerStack, tenant: str, tmp_path: Path
) -> None:
    store, words = redis_stack.store, r"is older than 24 h \(TAGSWEEP_PREVIEW_HOURS\)"
    store.tag(tenant, "a", tables=new_ids(3))
    preview = redis_stack.detach(tenant, ["a"], tables="*", dry_run=True)["job_id"]
    ended_at = store.job(preview).finished_at
    with store.transaction() as connection:
        this = update(jobs).where(jobs.c.id == UUID(preview))
        connection.execute(this.values(finished_at=ended_at - timedelta(hours=25)))
    with redis_gateway.client(tenant) as client:
        refused = client.post(f"{JOBS}{preview}/run")
        assert (refused.status_code, refused.json()["title"]) == (410, "Gone")
        assert re.search(words, refused.json()["detail"])
    with signed_in(redis_gateway, tenant) as person:
        assert person.submit(f"/console/jobs/{preview}/run").status_code == 410
    with pytest.raises(JobRejected, match=words):
        redis_stack.send("tags.run", {"tenant": tenant, "job": preview}).get(timeout=30)
    with producing(redis_stack) as sender, pytest.raises(JobRejected, match=words):
        sender.run(tenant=tenant, job=preview).result(timeout=30)
    given = {name: str(own) for name, own in redis_stack.settings.items()}
    typed = CommandLine(tmp_path, **given)("jobs", "run", preview)
    assert (typed.status, typed.out) == (2, "")
    assert re.search(words, typed.err)
    assert len(store.links(tenant)) == 3


@pytest.fixture(params=["remote", "direct"])
def command(request: pytest.FixtureRequest, up_gateway: Gateway, tmp_path: Path) -> CommandLine:
    """The command of a tenant, through a gateway or straight to its store."""
    tenant = new_tenant()
    way = {"database_url": str(up_gateway.settings["database_url"])}
    if request.param == "remote":
        way = {"url": up_gateway.url, "api_key": up_gateway.credential(tenant).key}
    found = CommandLine(tmp_path, **way)
    found.settings["tenant"] = tenant
    return found


@pytest.mark.slow
def test_the_command_runs_a_preview_and_waits(command: CommandLine, up_gateway: Gateway) -> None:
    tenant = command.settings["tenant"]
    up_gateway.store.tag(tenant, "a", tables=new_ids(3))
    arguments = ("--tenant", tenant, "--name", "a", "--tables", "*", "--json")
    preview = command("detach", *arguments, "--dry-run").json["job_id"]
    done = command("jobs", "run", preview, "--json")
    assert (done.status, done.json["counts"]) == (0, counts(total=3, removed=3)), done.err
    again = command("jobs", "run", preview, "--no-wait", "--json")
    assert again.json["job_id"] == done.json["job_id"]
    shown = command("jobs", "show", done.json["job_id"])
    assert f"previewed    {preview}" in shown.out
    for wrong, words in ((done.json["job_id"], "is no preview"), (uuid4(), "There is no job")):
        refused = command("jobs", "run", str(wrong))
        assert (refused.status, refused.out) == (2, "")
        assert words in refused.err
