"""What somebody else has to approve, through every door."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tagsweep import TagSweep
from tagsweep.worker import database
from tagsweep.worker.errors import JobRejected
from tagsweep.worker.jobs import control, queries
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.tasks import start
from tests.support.cli import CommandLine, ids
from tests.support.console import signed_in
from tests.support.fixtures import configured
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack, eventually, producing
from tests.support.stores import Store, counts, new_ids

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


@pytest.fixture(params=["http", "console", "remote", "direct", "python"])
def door(
    request: pytest.FixtureRequest, four_eyes: Gateway, tenant: str, tmp_path: Path
) -> Iterator[Callable[[str, str], None]]:
    """Does something with a job through one of the doors, with the key of whoever previewed it."""
    stack: ServerStack = four_eyes.stack  # type: ignore[attr-defined]  # as above
    way: str = request.param
    if way == "http":
        with four_eyes.client(tenant) as client:
            yield lambda action, job: _accepted(client.post(f"{JOBS}{job}/{action}"))
    elif way == "console":
        with signed_in(four_eyes, tenant) as person:
            yield lambda action, job: _accepted(person.submit(f"/console/jobs/{job}/{action}"))
    elif way == "python":
        with producing(stack) as sender:
            yield lambda action, job: _by_python(stack, sender, action, job)
    else:
        given = {name: str(own) for name, own in stack.settings.items()}
        if way == "remote":
            given = {"url": four_eyes.url, "api_key": four_eyes.credential(tenant).key}
        command = CommandLine(tmp_path, tenant=tenant, **given)

        def typed(action: str, job: str) -> None:
            done = command("jobs", action, job, "--no-wait" if action == "undo" else "--json")
            assert done.status == 0, done.err

        yield typed


def _accepted(answer: Any) -> None:
    assert answer.status_code in (202, 303), answer.text


def _by_python(stack: ServerStack, sender: TagSweep, action: str, job: str) -> None:
    if action == "cancel":
        sender.job(job).cancel()
    elif action == "undo":
        sender.undo(tenant=stack.store.job(job).tenant, job=job)
    else:  # there is no call for it: as a service at the store does it
        with configured(**stack.settings), database.transaction() as connection:
            control.retry(connection, UUID(job))


def _paused_run(gateway: Gateway, tenant: str) -> str:
    """Have a run of more items than allowed that is split, approved and paused; return its id."""
    stack: ServerStack = gateway.stack  # type: ignore[attr-defined]  # as above
    with gateway.client(tenant) as client:
        preview = ended(client, client.post(JOBS, json=PREVIEW).headers["location"])["id"]
    other = gateway.credential(tenant).id
    wanted = RunRequest(tenant=tenant, job=preview).through("http", None, other)
    with configured(**stack.settings, chunk_size=3), database.transaction() as connection:
        job, _ = runs.record(connection, wanted)
        start.start(connection, queries.lock(connection, job.id))
        control.pause(connection, job.id)
    return str(job.id)


@pytest.mark.slow
def test_whoever_previewed_may_cancel_retry_and_undo_the_run(
    four_eyes: Gateway, tenant: str, door: Callable[[str, str], None]
) -> None:
    store = four_eyes.store
    store.tag(tenant, "a", tables=new_ids(8))
    job = _paused_run(four_eyes, tenant)
    door("cancel", job)
    eventually(lambda: store.job(job).status == "cancelled")
    assert len(store.links(tenant)) == 8
    door("retry", job)
    eventually(lambda: store.job(job).status == "succeeded")
    assert store.links(tenant) == set()
    door("undo", job)
    eventually(lambda: len(store.links(tenant)) == 8)
    kinds = _ended_kinds(store, tenant)
    assert kinds == [("detach", "succeeded"), ("detach", "succeeded"), ("undo", "succeeded")]


def _ended_kinds(store: Store, tenant: str) -> list[tuple[str, str]]:
    query = select(jobs.c.kind, jobs.c.status).where(jobs.c.tenant == tenant)
    with store.transaction() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(jobs.c.accepted_at))]


@pytest.mark.slow
def test_the_preview_of_an_undo_is_run_by_whoever_asked_for_it(
    four_eyes: Gateway, tenant: str
) -> None:
    stack: ServerStack = four_eyes.stack  # type: ignore[attr-defined]  # as above
    four_eyes.store.tag(tenant, "a", tables=new_ids(8))
    with four_eyes.client(tenant) as one, four_eyes.client(tenant) as other:
        preview = one.post(JOBS, json=PREVIEW).headers["location"]
        ended(one, preview)
        place = other.post(f"{preview}/run").headers["location"]
        done = ended(other, place)
        body = {"kind": "undo", "job": done["id"], "dry_run": True}
        shown = ended(one, one.post(JOBS, json=body).headers["location"])
        with signed_in(four_eyes, tenant) as person:
            assert "A credential other than" not in person.get(f"/console/jobs/{shown['id']}").text
        again = ended(one, one.post(f"{JOBS}{shown['id']}/run").headers["location"])
        assert again["counts"]["added"] == 8
    wanted = {"tenant": tenant, "job": again["id"], "dry_run": True}
    preview_of_undo = stack.send("tags.undo", wanted).get(timeout=30)["job_id"]
    ran = stack.send("tags.run", {"tenant": tenant, "job": preview_of_undo}).get(timeout=30)
    assert ran["counts"]["removed"] == 8


@pytest.mark.slow
def test_a_command_through_the_gateway_exits_with_2_until_somebody_else_runs(
    four_eyes: Gateway, tenant: str, tmp_path: Path
) -> None:
    four_eyes.store.tag(tenant, "a", tables=new_ids(8))
    keys = [four_eyes.credential(tenant).key for _ in range(2)]
    one, other = (CommandLine(tmp_path, url=four_eyes.url, api_key=key) for key in keys)
    arguments = ("--tenant", tenant, "--name", "a", "--tables", "*", "--json")
    refused = one("detach", *arguments)
    assert (refused.status, refused.json["errors"][0]["code"]) == (2, "needs_approval")
    preview = one("detach", *arguments, "--dry-run").json["job_id"]
    own = one("jobs", "run", preview)
    assert (own.status, own.out) == (2, "")
    assert "A credential other than" in own.err
    assert len(four_eyes.store.links(tenant)) == 8
    ran = other("jobs", "run", preview, "--json")
    assert (ran.status, ran.json["counts"]) == (0, counts(total=8, removed=8)), ran.err


@pytest.mark.slow
@pytest.mark.not_mapped("on the embedded store, with all kinds")
def test_the_embedded_command_refuses_every_kind_of_job_that_is_too_large(tmp_path: Path) -> None:
    command = CommandLine(tmp_path, approval_items="3")
    command.load(tables=ids(4))
    tags = [{"key": f"k{number}", "value": "x"} for number in range(4)]
    entry = {"tenant": "acme", "workspace": "w-1", "tags": tags}
    assert command("load", "-", stdin=json.dumps(entry)).status == 0
    listed, workspace = ",".join(ids(4)), ("--tenant", "acme", "--workspace", "w-1")
    keys = [part for number in range(4) for part in ("--tag", f"k{number}")]
    values = [part for number in range(4) for part in ("--tag", f"k{number}=y")]
    own = ("--tenant", "acme", "--name", "legacy")
    for arguments in (
        ("detach", *own, "--tables", listed),
        ("detach", *own, "--tables", "*"),
        ("attach", "--tenant", "acme", "--name", "new", "--tables", listed),
        ("merge", *own, "--into", "new"),
        ("delete", *workspace, *keys),
        ("set", *workspace, *values),
    ):
        refused = command(*arguments, "--json")
        assert refused.status == 2, (arguments, refused.err)
        assert [error["code"] for error in refused.json["errors"]] == ["needs_approval"]
    assert (command.count("tag_link"), command.count("workspace_tag", "value = 'x'")) == (4, 4)
    assert command("detach", *own, "--tables", ",".join(ids(3))).status == 0
