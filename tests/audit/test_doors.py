"""The audit trail through each door: who did something there, and who may read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tagsweep.producer.gateway.auth import credentials
from tests.support.cli import CommandLine
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack
from tests.support.stores import new_ids

AUDIT, DETACH, JOBS = "/api/v1/audit/", "/api/v1/tags/detach/", "/api/v1/jobs/"


def _told(client: httpx.Client, **query: str) -> list[tuple[str, str | None, str]]:
    """Return action, name and door of what is found, the oldest first."""
    found = client.get(AUDIT, params=query).json()["results"]
    by = [(one["action"], one["requested_by"]) for one in reversed(found)]
    return [(action, one["name"], one["door"]) for action, one in by]


@pytest.fixture
def paused(redis_gateway: Gateway, tenant: str) -> Iterator[tuple[httpx.Client, str]]:
    """The client of a key named ann, and the path of a job that it has paused and resumed."""
    redis_gateway.store.tag(tenant, "a", tables=new_ids(2))
    with redis_gateway.client(tenant, name="ann") as client:
        body = {"kind": "detach", "names": ["a"], "tables": "*", "note": "Why?"}
        path = client.post(JOBS, json=body).headers["location"]
        for action in ("pause", "resume"):
            client.post(f"{path}/{action}")
        ended(client, path)
        yield client, path


def test_a_small_job_of_the_contract_tells_which_credential_asked(
    gateway: Gateway, tenant: str
) -> None:
    ids = new_ids(2)
    gateway.store.tag(tenant, "a", tables=ids)
    made = gateway.credential(tenant, name="ann")
    with httpx.Client(base_url=gateway.url, headers={"x-api-key": made.key}) as client:
        answer = client.post(DETACH, json={"names": ["a"], "tables": ids})
        assert answer.status_code == 200, answer.text
        found = client.get(AUDIT, params={"action": "job.create"}).json()
    (entry,) = found["results"]
    assert answer.headers["content-location"] == f"{JOBS}{entry['job']}"
    assert entry["credential"] == str(made.id)
    assert entry["requested_by"] == {"name": "ann", "door": "http", "proved": True}
    assert (entry["tenant"], entry["kind"], found["count"]) == (tenant, "detach", 1)


def test_a_tenant_reads_its_own_and_an_admin_all(
    redis_gateway: Gateway, paused: tuple[httpx.Client, str], tenant: str
) -> None:
    client, path = paused
    whole = _told(client)
    assert whole[:2] == [("key.create", None, "python"), ("job.create", "ann", "http")]
    assert set(whole[2:]) <= {("job.pause", "ann", "http"), ("job.resume", "ann", "http")}
    job = path.rpartition("/")[2]
    assert _told(client, job=job) == whole[1:]
    assert _told(client, requested_by="ann") == whole[1:]
    assert _told(client, since=(datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    (created,) = client.get(AUDIT, params={"action": "job.create"}).json()["results"]
    assert created["details"] == {"note": "Why?"}
    with redis_gateway.client(f"{tenant}-b") as other:
        assert _told(other) == [("key.create", None, "python")]
        assert _told(other, job=job) == []
        assert other.get(AUDIT, params={"tenant": tenant}).status_code == 403
    with redis_gateway.client("", admin=True) as admin:
        assert _told(admin, tenant=tenant) == whole
        assert {one["tenant"] for one in admin.get(AUDIT).json()["results"]} > {tenant, None}


def test_it_is_paged_and_whole_as_ndjson(paused: tuple[httpx.Client, str]) -> None:
    client, _ = paused
    whole = client.get(AUDIT).json()["results"]
    pages, url = [], f"{AUDIT}?page_size=1"
    while url:
        page = client.get(url).json()
        pages += page["results"]
        url = page["next"]
    assert pages == whole
    answer = client.get(AUDIT, headers={"accept": "application/x-ndjson"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in answer.text.splitlines()] == whole


@pytest.mark.parametrize(
    "query, accept, refusal",
    [
        ("action=job.eat", "*/*", (400, "action must be one of job.create")),
        ("job=7", "*/*", (400, "job must be the id of a job")),
        ("since=then", "*/*", (400, "since must be a time")),
        ("actions=job.run", "*/*", (400, 'Did you mean \\"action\\"?')),
        ("cursor=x", "*/*", (404, "Invalid cursor")),
        ("page_size=5", "application/x-ndjson", (400, "page_size selects a page")),
        ("", "text/csv", (406, "application/x-ndjson")),
    ],
)
def test_what_cannot_be_answered_is_refused(
    redis_gateway: Gateway, tenant: str, query: str, accept: str, refusal: tuple[int, str]
) -> None:
    status, words = refusal
    with redis_gateway.client(tenant) as client:
        answer = client.get(f"{AUDIT}?{query}", headers={"accept": accept})
        assert answer.status_code == status
        assert words in answer.text
    assert httpx.get(f"{redis_gateway.url}{AUDIT}").status_code == 401


def test_the_console_notes_who_signs_in_and_acts(redis_gateway: Gateway, tenant: str) -> None:
    made = redis_gateway.credential(tenant, name="ann")
    with redis_gateway.client(tenant) as client, Person(redis_gateway) as person:
        assert person.sign_in(made.key).status_code == 303
        path = client.post(JOBS, json={"kind": "detach", "names": ["a"]}).headers["location"]
        ended(client, path)
        person.submit("/console/sign-out")
        (entry,) = client.get(AUDIT, params={"action": "console.sign_in"}).json()["results"]
        assert entry["credential"] == str(made.id)
        assert entry["details"]["address"].startswith("10.")
        told = _told(client, requested_by="ann")
    signs = [(f"console.sign_{way}", "ann", "console") for way in ("in", "out")]
    assert told == signs


def test_a_wrong_key_is_noted_where_it_is_known_whose_it_was(
    redis_gateway: Gateway, tenant: str
) -> None:
    made = redis_gateway.credential(tenant)
    with redis_gateway.store.transaction() as connection:
        credentials.revoke(connection, made.id)
    with Person(redis_gateway) as person, redis_gateway.client(tenant) as client:
        for key in (made.key, f"{made.key[:16]}guessed", "ts_0123456789ab_x", "x"):
            assert person.sign_in(key).status_code == 403
        asked = {"action": "console.sign_in_failed"}
        found = client.get(AUDIT, params=asked).json()["results"]
        assert [one["target"] for one in found] == [str(made.id)] * 2
        assert made.key not in json.dumps(found)


def test_an_admin_s_act_at_the_console_stands_with_the_tenant(
    redis_gateway: Gateway, tenant: str
) -> None:
    made = redis_gateway.credential(tenant)
    with (
        signed_in(redis_gateway, "", admin=True, name="root") as person,
        redis_gateway.client(tenant) as client,
    ):
        revoked = person.submit(f"/console/keys/{made.id}/revoke")
        assert revoked.status_code == 303, revoked.text
        (entry,) = client.get(AUDIT, params={"action": "key.revoke"}).json()["results"]
    assert (entry["target"], entry["requested_by"]["name"]) == (str(made.id), "root")


def test_making_and_renaming_a_tag_is_noted_with_its_names(
    redis_gateway: Gateway, tenant: str
) -> None:
    with redis_gateway.client(tenant, name="ann") as client:
        path = client.post("/api/v1/tags/", json={"name": "old"}).headers["location"]
        for _ in range(2):  # the second time it has the name
            assert client.patch(path, json={"name": "new"}).status_code == 200
        found = client.get(AUDIT, params={"requested_by": "ann"}).json()["results"]
    assert [(one["action"], one["details"]) for one in reversed(found)] == [
        ("tag.create", {"name": "old"}),
        ("tag.rename", {"name": "new", "former": "old"}),
    ]
    assert {one["target"] for one in found} == {path.strip("/").rpartition("/")[2]}


def test_a_message_that_cancels_is_noted(redis_stack: ServerStack, tenant: str) -> None:
    store = redis_stack.store
    store.tag(tenant, "a", tables=new_ids(2))
    done = redis_stack.detach(tenant, ["a"], tables="*")
    redis_stack.send("tags.cancel", done["job_id"])
    command = CommandLine(
        redis_stack.folder, database_url=str(redis_stack.settings["database_url"])
    )
    shown = command("audit", "--tenant", tenant, "--json")
    assert [one["action"] for one in shown.json] == ["job.create"]  # it had ended
    assert shown.json[0]["requested_by"]["door"] == "message"


@pytest.fixture(params=["remote", "direct"])
def command(
    request: pytest.FixtureRequest, up_gateway: Gateway, tenant: str, tmp_path: Path
) -> CommandLine:
    """The command of a tenant, through a gateway or straight to its store."""
    way = {"database_url": str(up_gateway.settings["database_url"])}
    if request.param == "remote":
        way = {"url": up_gateway.url, "api_key": up_gateway.credential(tenant, name="ann").key}
    return CommandLine(tmp_path, **way)


@pytest.mark.slow
def test_the_command_shows_who_did_what(
    command: CommandLine, up_gateway: Gateway, tenant: str
) -> None:
    up_gateway.store.tag(tenant, "a", tables=new_ids(3))
    arguments = ("--tenant", tenant, "--name", "a", "--tables", "*", "--json")
    preview = command("detach", *arguments, "--dry-run").json["job_id"]
    run = command("jobs", "run", preview, "--note", "as agreed", "--json").json
    assert run["note"] == "as agreed"
    named = command("tags", "create", "--tenant", tenant, "--name", "b")
    assert named.status == 0, named.err
    undo = command("jobs", "undo", run["job_id"], "--json").json["job_id"]
    shown = command("audit", "--tenant", tenant, "--json")
    assert shown.status == 0, shown.err
    jobs = [one for one in shown.json if one["job"]]
    assert [one["details"] for one in shown.json if one["action"] == "tag.create"] == [
        {"name": "b"}
    ]
    assert [(one["action"], one["job"], one["target"]) for one in reversed(jobs)] == [
        ("job.preview", preview, None),
        ("job.run", run["job_id"], preview),
        ("job.undo", undo, run["job_id"]),
    ]
    lines = command("audit", "--tenant", tenant, "--output", "ndjson", "--since", "1h").out
    assert [json.loads(line) for line in lines.splitlines()] == shown.json
    table = command("audit", "--tenant", tenant, "--job", preview)
    assert table.out.splitlines()[0].split() == [
        *("TIME", "BY", "DOOR", "ACTION", "TENANT", "JOB", "TARGET")
    ]
    assert len(table.out.splitlines()) == 2
    rows = command("audit", "--tenant", tenant, "--limit", "2", "--output", "csv").out
    assert [line.split(",")[1] for line in rows.splitlines()] == [
        "action",
        "job.undo",
        "tag.create",
    ]
    none = command("audit", "--tenant", tenant, "--job", str(uuid4()))
    assert (none.status, none.out) == (0, "")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--action", "job.eat"], "--action 'job.eat': must be one of job.create, "),
        (["--job", "7"], "--job '7': job ids are UUIDs."),
        (["--since", "then"], "--since"),
    ],
)
def test_a_mistyped_option_of_the_command_is_refused(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    refused: Any = CommandLine(tmp_path)("audit", *arguments)
    assert (refused.status, refused.out) == (2, "")
    assert words in refused.err
