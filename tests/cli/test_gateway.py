"""`tagsweep` through a gateway: the same results, and neither store nor broker within reach."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import CommandLine, eventually, ids
from tests.support.gateway import Gateway
from tests.support.stores import new_tenant

#: servers that are not there: who goes through a gateway does not notice
NOWHERE = {
    "database_url": "postgresql://postgres@127.0.0.1:1/x",
    "broker_url": "redis://127.0.0.1:1",
}


class Tenant:
    """A tenant of a gateway, and the command on both ways to its jobs."""

    def __init__(self, gateway: Gateway, folder: Path, *, operator: bool = False) -> None:
        self.name = new_tenant()
        self.folder = folder
        key = gateway.credential(self.name, operator=operator).key
        self.run = CommandLine(folder, url=gateway.url, api_key=key, **NOWHERE)
        self.straight = CommandLine(folder, database_url=str(gateway.settings["database_url"]))

    def load(self, **entry: Any) -> None:
        """Load tags of the tenant."""
        line = json.dumps({"tenant": self.name, **entry})
        loaded = self.straight("load", "-", stdin=line + "\n")
        assert loaded.status == 0, loaded.err

    def detach(self, *arguments: object, **given: str) -> Any:
        """Run a detach through the gateway."""
        return self.run("detach", "--tenant", self.name, "--name", "legacy", *arguments, **given)

    def delete(self, *arguments: object) -> Any:
        """Run a delete through the gateway."""
        return self.run("delete", "--tenant", self.name, *arguments)


@pytest.fixture
def tenant(up_gateway: Gateway, tmp_path: Path) -> Tenant:
    """A tenant of `tagsweep up`."""
    return Tenant(up_gateway, tmp_path)


def stored(tenant: Tenant, job_id: str) -> Any:
    """Return a job as the command straight to the store shows it."""
    shown = tenant.straight("jobs", "show", job_id, "--json")
    assert shown.status == 0, shown.err
    return shown.json


@pytest.mark.slow
def test_a_detach_prints_what_its_event_tells(tenant: Tenant) -> None:
    tenant.load(name="legacy", tables=ids(12_000), sources=ids(2))
    listed = tenant.run.file("ids.txt", [*ids(12_000), ids(12_001)[-1]])
    done = tenant.detach("--tables", listed, "--sources", ",".join(ids(2)), "--json")
    assert (done.status, done.err) == (0, "")
    assert done.json["counts"] == {
        "total": 12_003, "removed": 12_002, "absent": 1, "failed": 0, "unprocessed": 0,
    }  # fmt: skip
    told = [json.loads(line) for line in tenant.run("events").out.splitlines()]
    assert [event["data"] for event in told] == [done.json]
    assert tenant.run("jobs", "show", done.json["job_id"], "--json").json == stored(
        tenant, done.json["job_id"]
    )


@pytest.mark.slow
def test_a_delete_that_fails_in_part_exits_1_with_the_same_words(tenant: Tenant) -> None:
    tenant.load(workspace="w-0", tags=[{"key": "env", "value": "dev"}])
    done = tenant.delete("--workspace", "w-0,w-9", "--tag", "env=dev")
    assert done.status == 1
    assert done.out.startswith("partial: delete ")
    assert "w-9: There is no such workspace." in done.out
    job = tenant.run("jobs", "list", "--json").json[0]
    assert tenant.straight("jobs", "watch", job["id"]).out == done.out


@pytest.mark.slow
def test_what_an_event_leaves_out_is_told_through_a_gateway_too(tenant: Tenant) -> None:
    listed = tenant.run.file("workspaces.txt", [f"w-{number}" for number in range(150)])
    done = tenant.delete("--workspace", listed, "--tag", "env", "--json")
    assert (done.status, done.json["status"], done.json["errors_total"]) == (1, "partial", 150)
    assert tenant.straight("jobs", "watch", done.json["job_id"], "--json").json == done.json


@pytest.mark.slow
def test_system_tags_need_the_operator_right(
    tenant: Tenant, up_gateway: Gateway, tmp_path: Path
) -> None:
    arguments = ("--workspace", "w-0", "--sys-tag", "env")
    refused = tenant.delete(*arguments)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("tagsweep: --sys-tag: ")
    operator = Tenant(up_gateway, tmp_path, operator=True)
    operator.load(workspace="w-0", sys_tags=[{"key": "env", "value": "x"}])
    assert operator.delete(*arguments).status == 0


@pytest.mark.slow
def test_another_tenant_is_refused_in_words(tenant: Tenant) -> None:
    tenant.detach()
    for command in (("detach", "--name", "x"), ("jobs", "list")):
        refused = tenant.run(*command, "--tenant", "other")
        assert (refused.status, refused.out) == (2, "")
        assert "--tenant 'other': the key in TAGSWEEP_API_KEY belongs to another" in refused.err
        assert len(refused.err.splitlines()) == 1
    assert len(tenant.straight("jobs", "list", "--tenant", tenant.name, "--json").json) == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", [("detach", "--tenant", "a", "--name", "x"), ("events",)])
def test_a_wrong_key_is_told_and_never_shown(tenant: Tenant, command: tuple[str, ...]) -> None:
    refused = tenant.run(*command, api_key="ts_notakey_1234")
    assert (refused.status, refused.out) == (2, "")
    assert "TAGSWEEP_API_KEY is refused" in refused.err
    assert "notakey" not in refused.err
    assert len(refused.err.splitlines()) == 1


@pytest.mark.slow
def test_a_job_that_nobody_waits_for_is_done_all_the_same(tenant: Tenant) -> None:
    tenant.load(name="legacy", tables=ids(1))
    left = tenant.detach("--tables", ids(1)[0], "--no-wait", "--json")
    assert (left.status, left.err) == (0, "")
    assert left.json["status"] == "queued"
    watched = tenant.run("jobs", "watch", left.json["job_id"], "--json")
    assert (watched.status, watched.json["counts"]["removed"]) == (0, 1)


@pytest.mark.slow
def test_ctrl_c_says_that_the_job_goes_on(up_gateway: Gateway, tmp_path: Path) -> None:
    store = {"database_url": f"sqlite:///{tmp_path / 'tagsweep.db'}"}
    slow = Gateway(tmp_path, {**up_gateway.settings, **store, "max_rate": 1_000}, "up")
    try:
        slow.wait()
        tenant = Tenant(slow, tmp_path)
        tenant.load(name="legacy", tables=ids(60_000))
        listed = tenant.run.file("ids.txt", ids(60_000))
        arguments = ("--tenant", tenant.name, "--name", "legacy", "--tables", listed)
        with tenant.run.started("detach", *arguments) as stopped:
            eventually(lambda: tenant.straight.count("chunk", "state = 'done'") > 0)
            stopped.send_signal(signal.SIGINT)
            out, err = stopped.communicate(timeout=30)
        assert (stopped.returncode, out) == (130, "")
        job_id = tenant.run("jobs", "list", "--status", "running", "--json").json[0]["id"]
        assert f"tagsweep jobs watch {job_id}" in err
        assert len(err.splitlines()) == 1
        assert tenant.run("jobs", "cancel", job_id).status == 0
    finally:
        slow.close()


@pytest.mark.slow
def test_jobs_are_listed_cancelled_and_retried(tenant: Tenant) -> None:
    done = tenant.detach("--tables", ids(1)[0], "--json").json
    failed = tenant.delete("--workspace", "w-9", "--tag", "env", "--json").json
    assert tenant.run("jobs", "list").out.count(tenant.name) == 2
    listed = tenant.run("jobs", "list", "--status", "succeeded", "--json").json
    assert [job["id"] for job in listed] == [done["job_id"]]
    late = tenant.run("jobs", "cancel", done["job_id"])
    assert (late.status, "had already ended (succeeded)" in late.err) == (1, True)
    vain = tenant.run("jobs", "retry", done["job_id"])
    assert (vain.status, "there is nothing to retry" in vain.err) == (1, True)
    assert tenant.run("jobs", "retry", failed["job_id"]).status == 0
    assert tenant.run("jobs", "watch", failed["job_id"]).status == 1


@pytest.mark.parametrize("order", ["show", "watch", "cancel", "retry", "pause", "resume"])
def test_a_job_that_is_not_the_tenants_is_unknown(tenant: Tenant, order: str) -> None:
    unknown = tenant.run("jobs", order, "00000000-0000-4000-8000-000000000000")
    assert (unknown.status, unknown.out) == (2, "")
    assert "There is no job 00000000-0000-4000-8000-000000000000" in unknown.err
    assert len(unknown.err.splitlines()) == 1


@pytest.mark.slow
def test_a_list_of_jobs_may_take_many_pages(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagsweep.producer.cli.backends import gateway
    from tagsweep.producer.cli.backends.backend import JobQuery
    from tagsweep.producer.cli.backends.http import Client

    made = [tenant.detach("--no-wait", "--json").json["job_id"] for _ in range(3)]
    monkeypatch.setattr(gateway, "MAX_PAGE", 1)
    environment = tenant.run.settings
    way = gateway.GatewayBackend(Client(environment["url"], environment["api_key"]))
    assert [job["id"] for job in way.latest(JobQuery(), 10, whole=True)] == made[::-1]
    assert [job["id"] for job in way.latest(JobQuery(tenant.name), 2, whole=True)] == made[:0:-1]


@pytest.mark.slow
def test_a_limit_of_the_gateway_names_what_is_too_much(up_gateway: Gateway, tmp_path: Path) -> None:
    small = {"request_ids": 10, "body_bytes": 2_000}
    gateway = Gateway(tmp_path, {**up_gateway.settings, **small}, "up")
    try:
        gateway.wait()
        tenant = Tenant(gateway, tmp_path)
        many = tenant.detach("--tables", ",".join(ids(11)))
        assert (many.status, "no more than 10 ids; these have 11" in many.err) == (2, True)
        assert len(many.err.splitlines()) == 1
        large = tenant.detach("--tables", tenant.run.file("ids.txt", ids(90_000)))
        assert (large.status, "at most 2000 bytes" in large.err) == (2, True)
        assert tenant.run("jobs", "list", "--json").json == []
    finally:
        gateway.close()
