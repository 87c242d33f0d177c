"""Conditions through every door: a message, Python, HTTP, the command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.errors import InvalidJob, JobRejected
from tests.store.test_conditions import attach_at
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack, Stack, producing
from tests.support.stores import Store, counts, new_ids

#: these tables know when a link came to be
pytestmark = pytest.mark.default_configuration

JOBS = "/api/v1/jobs/"
OLD, LIMIT, NEW = ("2026-01-30T12:00:00Z", "2026-01-31T12:00:00Z", "2026-02-01T12:00:00Z")


def _filled(store: Store, tenant: str) -> tuple[str, str, str]:
    """Put the tag a on three tables: an old link, one that is held, and a new one."""
    old, held, new = new_ids(3)
    attach_at(store, tenant, "a", OLD, tables=[old, held])
    attach_at(store, tenant, "a", NEW, tables=[new])
    store.tag(tenant, "hold", tables=[held])
    return old, held, new


def _left(store: Store, tenant: str) -> set[str]:
    return {one for name, _, one in store.links(tenant) if name == "a"}


def test_a_message_has_conditions(stack: Stack, tenant: str) -> None:
    _, held, new = _filled(stack.store, tenant)
    asked = {"attached_before": LIMIT, "unless": ["hold"]}
    done = stack.detach(tenant, ["a"], tables="*", **asked)
    assert (done["counts"], done["remaining"]) == (counts(total=1, removed=1), 0)
    assert done["request"]["unless"] == ["hold"]
    assert _left(stack.store, tenant) == {held, new}
    with pytest.raises(JobRejected, match='There is no tag "hald"'):
        stack.detach(tenant, ["a"], tables="*", unless=["hald"])
    assert _left(stack.store, tenant) == {held, new}


def test_small_messages_with_conditions_heed_them(stack: Stack, tenant: str) -> None:
    ids = _filled(stack.store, tenant)
    done = stack.detach(tenant, ["a"], tables=list(ids), attached_after=LIMIT)
    assert done["counts"] == counts(total=3, removed=1, absent=2)
    assert _left(stack.store, tenant) == set(ids[:2])


def test_python_gives_conditions_with_lists_of_any_length(
    redis_stack: ServerStack, tenant: str
) -> None:
    old, held, new = _filled(redis_stack.store, tenant)
    limit = datetime.fromisoformat(LIMIT).astimezone(UTC)
    with producing(redis_stack) as sender:
        with pytest.raises(InvalidJob, match="has no zone"):
            sender.detach(tenant=tenant, names=["a"], attached_before=limit.replace(tzinfo=None))
        many = [*new_ids(25_000), old, held, new]
        sent = sender.detach(
            tenant=tenant, names=["a"], tables=many, attached_before=limit, unless=iter(["hold"])
        )
        done = sent.result(timeout=60)
    assert (done["counts"]["total"], done["counts"]["removed"]) == (25_003, 1)
    assert _left(redis_stack.store, tenant) == {held, new}


def test_over_http_a_job_has_conditions_and_the_contract_has_none(
    gateway: Gateway, tenant: str
) -> None:
    old, held, new = _filled(gateway.store, tenant)
    asked = {"attached_before": LIMIT, "unless": ["hold"]}
    body = {"kind": "detach", "names": ["a"], "tables": "*", **asked}
    with gateway.client(tenant) as client:
        preview = ended(
            client, client.post(JOBS, json={**body, "dry_run": True}).headers["location"]
        )
        assert preview["counts"] == counts(total=1, removed=1)
        wrong = client.post(JOBS, json={**body, "unless": ["hald"]})
        assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "unknown_tag")
        naive = client.post(JOBS, json={**body, "attached_before": LIMIT.rstrip("Z")})
        assert (naive.status_code, naive.json()["errors"][0]["code"]) == (400, "no_zone")
        listed = {"names": ["a"], "tables": [old], **asked}
        contract = client.post("/api/v1/tags/detach/", json=listed)
        assert (contract.status_code, contract.json()["unless"]) == (400, ["Unknown field."])
        assert client.get(JOBS).json()["count"] == 1
        now = {**body, "tables": [old, held, new]}
        done = client.post(JOBS, json=now, headers={"Prefer": "wait=30"}).json()
        assert done["counts"] == counts(total=3, removed=1, absent=2)
    assert _left(gateway.store, tenant) == {held, new}


@pytest.fixture(params=["straight", "gateway"])
def run(
    up_gateway: Gateway, tenant: str, tmp_path: Path, request: pytest.FixtureRequest
) -> CommandLine:
    """The command, which goes straight to the store or through the gateway."""
    settings: dict[str, Any] = {"database_url": str(up_gateway.settings["database_url"])}
    if request.param == "gateway":
        settings |= {"url": up_gateway.url, "api_key": up_gateway.credential(tenant).key}
    return CommandLine(tmp_path, **settings)


def _refused(run: CommandLine, job: tuple[str, ...], *wrong: str) -> str:
    """Return what the command says to conditions that it does not take."""
    done = run(*job, *wrong)
    assert (done.status, done.out) == (2, "")
    return done.err


@pytest.mark.slow
def test_the_command_has_conditions(up_gateway: Gateway, tenant: str, run: CommandLine) -> None:
    _, held, new = _filled(up_gateway.store, tenant)
    job = ("detach", "--tenant", tenant, "--name", "a", "--tables", "*", "--json")
    for wrong, said in (
        (("--unless", "hald"), '--unless, item 1: There is no tag "hald". Did you mean "hold"?'),
        (("--attached-before", "2026-01-31"), "the time has no zone"),
        (("--attached-before", "soon"), "--attached-before 'soon': give a time"),
        (("--attached-after", LIMIT, "--attached-before", OLD), "--attached-before"),
    ):
        assert said in _refused(run, job, *wrong)
    young = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    none = run(*job, "--attached-after", young)
    assert (none.status, none.json["counts"]["total"]) == (0, 0)
    done = run(*job, "--attached-before", LIMIT, "--unless", "hold")
    assert (done.status, done.json["counts"]) == (0, counts(total=1, removed=1))
    assert _left(up_gateway.store, tenant) == {held, new}
    ago = run(*job, "--attached-before", "1d")
    assert ago.json["counts"]["removed"] == 2


#: what a merge into ``into`` may ask for, and what it comes to of the links of ``_filled``
MERGE = {"names": ["a"], "into": "into", "attached_before": LIMIT, "unless": ["hold"]}


def _merged(store: Store, tenant: str) -> set[str]:
    return {one for name, _, one in store.links(tenant) if name == "into"}


def test_a_message_to_merge_has_conditions(stack: Stack, tenant: str) -> None:
    old, held, new = _filled(stack.store, tenant)
    with pytest.raises(JobRejected, match='There is no tag "hald"'):
        stack.run("tags.merge", {"tenant": tenant, **MERGE, "unless": ["hald"]})
    assert set(stack.store.tags(tenant)) == {"a", "hold"}
    done = stack.run("tags.merge", {"tenant": tenant, **MERGE, "tables": [old, held, new]})
    assert (done["counts"]["moved"], done["counts"]["absent"]) == (1, 2)
    assert (_merged(stack.store, tenant), _left(stack.store, tenant)) == ({old}, {held, new})


def test_python_merges_on_conditions(redis_stack: ServerStack, tenant: str) -> None:
    old, held, new = _filled(redis_stack.store, tenant)
    limit = datetime.fromisoformat(LIMIT)
    with producing(redis_stack) as sender:
        asked: dict[str, Any] = {"tenant": tenant, "names": ["a"], "into": "into"}
        with pytest.raises(InvalidJob, match="attached_after: The time has no zone"):
            sender.merge(**asked, attached_after=limit.replace(tzinfo=None))
        with pytest.raises(InvalidJob, match="attached_before: Must be later than attached_after"):
            sender.merge(**asked, attached_before=limit, attached_after=limit)
        done = sender.merge(**asked, attached_after=limit, unless=["hold"]).result(timeout=60)
    assert (done["counts"]["moved"], done["remaining"]) == (1, 0)
    assert _merged(redis_stack.store, tenant) == {new}
    assert _left(redis_stack.store, tenant) == {old, held}


def test_over_http_a_merge_has_conditions_and_its_run_keeps_to_them(
    gateway: Gateway, tenant: str
) -> None:
    old, held, new = _filled(gateway.store, tenant)
    body = {"kind": "merge", **MERGE}
    with gateway.client(tenant) as client:
        wrong = client.post(JOBS, json={**body, "unless": ["hald"]})
        assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "unknown_tag")
        naive = client.post(JOBS, json={**body, "attached_before": LIMIT.rstrip("Z")})
        (error,) = naive.json()["errors"]
        assert (naive.status_code, error["path"], error["code"]) == (
            *(400, "/attached_before"),
            "no_zone",
        )
        taken = client.post(JOBS, json={**body, "dry_run": True})
        preview = ended(client, taken.headers["location"])
        assert preview["counts"]["moved"] == 1
        done = ended(client, client.post(f"{JOBS}{preview['id']}/run").headers["location"])
        assert (done["counts"]["moved"], done["request"]["unless"]) == (1, ["hold"])
    assert (_merged(gateway.store, tenant), _left(gateway.store, tenant)) == ({old}, {held, new})


@pytest.mark.slow
def test_the_command_merges_on_conditions(
    up_gateway: Gateway, tenant: str, run: CommandLine
) -> None:
    old, held, new = _filled(up_gateway.store, tenant)
    job = ("merge", "--tenant", tenant, "--name", "a", "--into", "into", "--json")
    for wrong, said in (
        (("--unless", "hald"), '--unless, item 1: There is no tag "hald". Did you mean "hold"?'),
        (("--attached-after", "2026-01-31T12:00"), "the time has no zone"),
        (("--attached-after", LIMIT, "--attached-before", LIMIT), "--attached-before"),
    ):
        assert said in _refused(run, job, *wrong)
    done = run(*job, "--attached-before", LIMIT, "--unless", "hold")
    assert (done.status, done.json["counts"]["moved"]) == (0, 1), done.err
    store = up_gateway.store
    assert (_merged(store, tenant), _left(store, tenant)) == ({old}, {held, new})


WORKSPACES = {"workspaces": ["w-1"], "tags": [{"key": "k", "value": "v"}]}
#: jobs of the kinds that have no conditions: they remove no links
OTHERS: dict[str, dict[str, Any]] = {
    "attach": {"names": ["a"], "tables": new_ids(1)},
    "delete": WORKSPACES,
    "set": WORKSPACES,
    "undo": {"job": "0d7f6a44-5b07-4f0e-9f39-7a54c1b0e2d6"},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_jobs_of_other_kinds_have_no_conditions_through_any_door(
    redis_gateway: Gateway, redis_stack: ServerStack, tenant: str, kind: str
) -> None:
    redis_stack.store.workspace(tenant, "w-1")
    conditions = {"attached_before": LIMIT, "attached_after": OLD, "unless": ["hold"]}
    for name, value in conditions.items():
        body = {**OTHERS[kind], name: value}
        with redis_gateway.client(tenant) as client:
            refused = client.post(JOBS, json={"kind": kind, **body})
            (error,) = refused.json()["errors"]
        assert (refused.status_code, error["path"], error["code"]) == (
            *(400, f"/{name}"),
            "unknown_field",
        )
        with pytest.raises(JobRejected, match=f"{name}: Unknown field"):
            redis_stack.send(f"tags.{kind}", {"tenant": tenant, **body}).get(timeout=30)
        with producing(redis_stack) as sender:
            send = getattr(sender, kind)
            with pytest.raises(InvalidJob, match=f"{name}: Unknown field"):
                send(tenant=tenant, **body)
    assert redis_stack.store.workspace_tags(tenant) == set()
    assert redis_stack.store.tags(tenant) == {}
