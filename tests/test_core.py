"""The core of what is promised, part by part, in whichever configuration the suite runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests.servers import RabbitMQ
from tests.support import configurations
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, serving
from tests.support.stack import (
    PATIENCE_S,
    ServerStack,
    eventually,
    producing,
)
from tests.support.stores import (
    Store,
    attached,
    counts,
    new_ids,
)

pytestmark = [pytest.mark.core, pytest.mark.integration]

DETACH = "/api/v1/tags/detach/"


@pytest.fixture
def core(request: pytest.FixtureRequest) -> ServerStack:
    """A store and a broker of this configuration, and workers."""
    found: ServerStack = request.getfixturevalue(f"{configurations.active().broker}_stack")
    return found


@pytest.fixture(scope="module")
def door(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """A gateway of this configuration."""
    stack: ServerStack = request.getfixturevalue(f"{configurations.active().broker}_stack")
    with serving(stack) as gateway:
        yield gateway


@pytest.fixture
def run(core: ServerStack, tmp_path: Path) -> CommandLine:
    """The command in this configuration."""
    return CommandLine(tmp_path, **{name: str(value) for name, value in core.settings.items()})


def test_a_detach_is_told_once_and_right(core: ServerStack, tenant: str) -> None:
    ids = new_ids(30)
    core.store.tag(tenant, "legacy", tables=ids[:20])
    data = core.detach(tenant, ["legacy"], tables=ids)
    assert data["counts"] == counts(total=30, removed=20, absent=10)
    assert core.store.links(tenant) == set()
    eventually(lambda: core.events(data["job_id"]))
    (event,) = core.events(data["job_id"])
    assert event["data"] == data


def test_an_attach_is_undone(core: ServerStack, tenant: str) -> None:
    ids = new_ids(20)
    core.store.tag(tenant, "known", tables=ids[:5])
    body = {"tenant": tenant, "names": ["known", "new"], "tables": ids}
    before = core.store.links(tenant)
    done = core.run("tags.attach", body)
    assert done["counts"] == attached(total=40, added=35, present=5)
    undone = core.run("tags.undo", {"tenant": tenant, "job": done["job_id"]})
    assert undone["counts"]["removed"] == 35
    assert core.store.links(tenant) == before


def test_everything_that_carries_the_tag_is_selected(core: ServerStack, tenant: str) -> None:
    core.store.tag(tenant, "legacy", tables=new_ids(50), folders=new_ids(7))
    core.store.workspace(tenant, "w", {"env": "dev"}, {"env": "prod"})
    data = core.detach(tenant, ["legacy"], tables="*", folders="*")
    assert data["counts"] == counts(total=57, removed=57)
    data = core.run(
        "tags.delete", {"tenant": tenant, "workspaces": "*", "sys_tags": [{"key": "env"}]}
    )
    assert data["counts"] == counts(total=1, removed=1)
    assert core.store.workspace_tags(tenant) == {("w", "env", "dev", False)}


def test_a_delete_tells_workspaces_that_are_unknown(core: ServerStack, tenant: str) -> None:
    core.store.workspace(tenant, "w", {"env": "dev", "team": "a"})
    data = core.delete(tenant, ["w", "x"], tags=[{"key": "env"}])
    assert (data["status"], data["counts"]) == ("partial", counts(total=2, removed=1, failed=1))


@pytest.mark.slow
def test_a_long_list_is_streamed(core: ServerStack, tenant: str) -> None:
    ids = new_ids(25_000, seed=5)
    core.store.tag(tenant, "legacy", tables=ids)
    with producing(core) as sender:
        job = sender.detach(tenant=tenant, names=["legacy"], tables=iter(ids))
        data = job.result(timeout=PATIENCE_S)
    assert data["counts"] == counts(total=25_000, removed=25_000)
    assert core.store.links(tenant) == set()


@pytest.mark.slow
def test_many_small_jobs_at_once_each_come_to_one_end(core: ServerStack, tenant: str) -> None:
    ids = new_ids(100)
    core.store.tag(tenant, "legacy", tables=ids)
    body = {"tenant": tenant, "names": ["legacy"]}
    pending = [core.send("tags.detach", {**body, "tables": [one]}) for one in ids]
    done = [one.get(timeout=PATIENCE_S) for one in pending]
    assert [one["counts"] for one in done] == [counts(total=1, removed=1)] * len(ids)
    eventually(lambda: all(core.events(one.id) for one in pending))
    assert all(len(core.events(one.id)) == 1 for one in pending)


def _refuse(store: Store, tenant: str, *, refuse: bool) -> None:
    """Let the store refuse to take the tenant's links away, or not any more."""
    name = f"keep_{tenant.replace('-', '_')}"
    with store.transaction() as connection:
        if not refuse:
            connection.execute(text(f"DROP FUNCTION {name} CASCADE"))
            return
        (tag_id,) = [row.id for row in store.tags(tenant).values()]
        body = "BEGIN RAISE 'this one stays'; END"
        function = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        connection.execute(text(function))
        when = f"WHEN (OLD.tag_id = '{tag_id}')"
        links = store.tables.links
        trigger = f"CREATE TRIGGER {name} BEFORE DELETE ON {links} FOR EACH ROW {when}"
        connection.execute(text(f"{trigger} EXECUTE FUNCTION {name}()"))


@pytest.mark.slow
def test_what_failed_is_retried_from_the_command_line(
    core: ServerStack, run: CommandLine, tenant: str
) -> None:
    ids = new_ids(3)
    core.store.tag(tenant, "legacy", tables=ids)
    _refuse(core.store, tenant, refuse=True)
    data = core.detach(tenant, ["legacy"], tables=ids)
    assert (data["status"], data["counts"]) == ("partial", counts(total=3, failed=3))
    _refuse(core.store, tenant, refuse=False)
    assert run("jobs", "retry", data["job_id"]).status == 0
    watched = run("jobs", "watch", data["job_id"], "--json")
    assert watched.json["counts"] == counts(total=3, removed=3)
    eventually(lambda: len(core.events(data["job_id"])) == 2)


@pytest.mark.slow
def test_commands_do_all_of_it(core: ServerStack, run: CommandLine, tenant: str) -> None:
    ids = new_ids(4)
    core.store.tag(tenant, "legacy", tables=ids[:3])
    what = ["--tenant", tenant, "--name", "legacy", "--tables", ",".join(ids)]
    done = run("detach", *what, "--json")
    assert done.status == 0, done.err
    assert done.json["counts"] == counts(total=4, removed=3, absent=1)
    assert len(run("jobs", "receipt", done.json["job_id"]).out.splitlines()) >= 4
    events = [json.loads(line) for line in run("events").out.splitlines()]
    assert done.json["job_id"] in {event["subject"] for event in events}


@pytest.mark.slow
def test_the_doctor_finds_nothing_wrong_with_the_store(run: CommandLine) -> None:
    found = json.loads(run("doctor", "--json").out)["findings"]
    assert [one for one in found if one["about"] == "database" and not one["ok"]] == []


def test_the_gateway_is_ready_and_serves(core: ServerStack, door: Gateway, tenant: str) -> None:
    ids = new_ids(5)
    core.store.tag(tenant, "legacy", tables=ids)
    eventually(lambda: httpx.get(f"{door.url}/readyz").status_code == 200)
    with door.client(tenant) as client:
        answer = client.post(DETACH, json={"names": ["legacy"], "tables": ids})
        assert answer.status_code == 200, answer.text
        (job,) = client.get("/api/v1/jobs/").json()["results"]
        assert job["counts"] == counts(total=5, removed=5)
        receipt = client.get(f"/api/v1/jobs/{job['id']}/receipt")
        assert len(receipt.text.splitlines()) == 5
        with client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": "0"}) as feed:
            assert any(job["id"] in line for line in feed.iter_lines())
    assert core.store.links(tenant) == set()


@pytest.mark.slow
@pytest.mark.core("quorum")
def test_a_service_may_send_before_any_worker_starts(
    request: pytest.FixtureRequest, tenant: str, tmp_path: Path
) -> None:
    ids = new_ids(10)
    server: RabbitMQ = request.getfixturevalue("rabbitmq_server")
    store: Store = request.getfixturevalue("postgres_store")
    store.tag(tenant, "legacy", tables=ids)
    stack = ServerStack("amqp", tmp_path, store.url, server.create_vhost())
    body = {"tenant": tenant, "names": ["legacy"]}
    try:
        before = stack.send("tags.detach", {**body, "tables": ids[:5]})
        stack.start_worker()
        stack.wait()
        after = stack.send("tags.detach", {**body, "tables": ids[5:]})
        for one in (before, after):
            assert one.get(timeout=PATIENCE_S)["counts"] == counts(total=5, removed=5)
    finally:
        stack.close()
