"""Running the gateway: credentials, starting and refusing to start, logs and metrics."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.gateway import SECRET_KEY, Gateway, ended
from tests.support.stack import environment, eventually
from tests.support.stores import new_ids

DETACH = "/api/v1/tags/detach/"


def _run(*command: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tagsweep.producer.cli", *command],
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    """An embedded store of this test alone."""
    return {"database_url": f"sqlite:///{tmp_path / 'tagsweep.db'}", "secret_key": SECRET_KEY}


@pytest.mark.slow
def test_a_key_is_shown_once_and_kept_as_a_hash(settings: dict[str, object]) -> None:
    done = _run("keys", "create", "--tenant", "acme", "--signing", "--json", **settings)
    created = json.loads(done.stdout)
    assert set(created) == {"id", "tenant", "key", "access_key", "secret_key"}
    listed = _run("keys", "list", "--json", **settings)
    (shown,) = json.loads(listed.stdout)
    assert (shown["id"], shown["tenant"]) == (created["id"], "acme")
    path = str(settings["database_url"]).removeprefix("sqlite:///")
    at_rest = b"".join(file.read_bytes() for file in Path(path).parent.glob("tagsweep.db*"))
    for secret in (created["key"], created["secret_key"]):
        assert secret not in listed.stdout
        assert secret.encode() not in at_rest
    assert created["access_key"].encode() in at_rest


@pytest.mark.slow
def test_signing_secrets_need_a_key_to_encrypt_them(settings: dict[str, object]) -> None:
    del settings["secret_key"]
    done = _run("keys", "create", "--tenant", "acme", "--signing", **settings)
    assert done.returncode == 2
    assert "TAGSWEEP_SECRET_KEY" in done.stderr
    assert json.loads(_run("keys", "list", "--json", **settings).stdout) == []
    short = _run("keys", "list", **settings, secret_key="too-short")
    assert "TAGSWEEP_SECRET_KEY='***'" in short.stderr
    assert "too-short" not in short.stderr


@pytest.mark.slow
@pytest.mark.parametrize("tenant", ["", "a b", "t" * 37, "t\n"])
def test_a_tenant_that_is_none_gets_no_key(settings: dict[str, object], tenant: str) -> None:
    assert _run("keys", "create", "--tenant", tenant, **settings).returncode == 2


@pytest.mark.slow
def test_a_revoked_key_is_refused_within_seconds(gateway: Gateway, tenant: str) -> None:
    created = gateway.credential(tenant)
    with httpx.Client(base_url=gateway.url, headers={"x-api-key": created.key}) as client:
        assert client.post(DETACH, json={"names": []}, timeout=30).status_code == 200
        done = _run("keys", "revoke", str(created.id), **gateway.settings)
        assert done.returncode == 0
        gone = lambda: client.get("/api/v1/jobs/").status_code == 401  # noqa: E731
        assert eventually(gone, seconds=5)
    assert _run("keys", "revoke", str(created.id), **gateway.settings).returncode == 1


@pytest.mark.slow
def test_the_last_use_of_a_key_is_noted(idle_gateway: Gateway, tenant: str) -> None:
    with idle_gateway.client(tenant) as client:
        for _ in range(3):
            client.get("/api/v1/jobs/")
    idle_gateway.process.terminate()
    idle_gateway.process.wait(20)
    listed = json.loads(_run("keys", "list", "--json", **idle_gateway.settings).stdout)
    assert [one["last_used_at"] is not None for one in listed] == [True]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts ``tagsweep up`` with options, on one store of this test alone; it may be killed."""
    started: list[Gateway] = []

    def start(*options: str) -> Gateway:
        url = f"sqlite:///{tmp_path / 'tagsweep.db'}"
        started.append(Gateway(tmp_path, {"database_url": url}, "up", *options))
        started[-1].wait()
        return started[-1]

    yield start
    for gateway in started:
        gateway.close()


def _pasted(gateway: Gateway) -> Any:
    """Run the curl line that ``up`` printed, and return what it answers."""
    (line,) = [line for line in gateway.log.splitlines() if line.startswith("curl ")]
    done = subprocess.run([*shlex.split(line), "--fail"], capture_output=True, check=True)
    return json.loads(done.stdout)


def _printed(gateway: Gateway) -> dict[str, str]:
    """Return what ``up`` printed, by the word before the colon."""
    found = re.findall(r"^(url|docs|tenant|key): +(.+)$", gateway.log, re.MULTILINE)
    return dict(found)


@pytest.mark.slow
def test_what_up_prints_works_when_it_is_pasted_whatever_the_store_holds(
    up: Callable[..., Gateway],
) -> None:
    empty = up()
    printed = _printed(empty)
    assert printed["url"] == empty.url
    assert httpx.get(printed["docs"]).status_code == 200
    assert [tag["name"] for tag in _pasted(empty)] == ["legacy"]
    assert len(empty.store.links(printed["tenant"])) == 1
    empty.kill()
    again = up()
    shown = _pasted(again)
    assert [tag["name"] for tag in shown["results"][0]["tags"]] == ["legacy"]
    assert len(again.store.links(printed["tenant"])) == 1


@pytest.mark.slow
def test_the_sample_is_there_to_be_cleaned_up(up: Callable[..., Gateway]) -> None:
    gateway = up("--sample", "--tenant", "acme")
    before = gateway.store.links("acme")
    assert len(before) > 1_000
    assert [tag["name"] for tag in _pasted(gateway)] == ["legacy"]
    assert len(before - gateway.store.links("acme")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "line, held",
    [
        ({"tenant": "other", "name": "mine"}, "tags"),
        ({"tenant": "other", "workspace": "w-1", "tags": []}, "workspaces"),
        (None, "jobs"),
    ],
)
def test_the_sample_is_refused_by_a_store_that_holds_anything(
    settings: dict[str, object], tmp_path: Path, line: dict[str, Any] | None, held: str
) -> None:
    if line is None:
        _run("detach", "--tenant", "acme", "--name", "legacy", "--tables", str(uuid4()), **settings)
    else:
        (tmp_path / "tags.ndjson").write_text(json.dumps(line))
        assert _run("load", str(tmp_path / "tags.ndjson"), **settings).returncode == 0
    done = _run("up", "--sample", "--port", "0", **settings)
    assert done.returncode == 2
    (told,) = done.stderr.splitlines()
    assert f"tagsweep.db holds {held}." in told
    assert "--sample" in told
    assert json.loads(_run("keys", "list", "--json", **settings).stdout) == []


@pytest.mark.slow
def test_up_does_what_another_process_records(up_gateway: Gateway, tenant: str) -> None:
    ids = new_ids(2)
    up_gateway.store.tag(tenant, "legacy", tables=ids)
    command = ["detach", "--tenant", tenant, "--name", "legacy", "--tables", ",".join(ids)]
    assert _run(*command, "--no-wait", **up_gateway.settings).returncode == 0
    assert eventually(lambda: not up_gateway.store.links(tenant), seconds=3)


@pytest.mark.slow
def test_serve_without_a_broker_names_the_other_command(settings: dict[str, object]) -> None:
    done = _run("serve", **settings)
    assert done.returncode == 2
    assert "tagsweep up" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_taken_port_is_told_in_one_line(up_gateway: Gateway) -> None:
    done = _run("up", "--port", str(up_gateway.port), **up_gateway.settings)
    assert done.returncode == 1
    assert str(up_gateway.port) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_request_is_one_line_that_tells_no_key(redis_gateway: Gateway, tenant: str) -> None:
    created = redis_gateway.credential(tenant)
    headers = {"x-api-key": created.key, "X-Auth-Token": created.key}
    with httpx.Client(base_url=redis_gateway.url, headers=headers) as client:
        answer = client.post(DETACH, json={"names": ["a"]}, headers={"Prefer": "respond-async"})
        ended(client, answer.headers["location"])
    written = redis_gateway.log
    assert created.key.rpartition("_")[2] not in written
    request_id = answer.headers["x-request-id"]
    (line,) = [line for line in written.splitlines() if f'"{request_id}"' in line]
    told: dict[str, Any] = json.loads(line)
    assert (told["tenant"], told["job"]) == (tenant, answer.json()["id"])
    assert (told["status"], told["route"]) == (202, DETACH)
    assert told["ms"] > 0


def test_metrics_tell_of_requests_and_jobs(redis_gateway: Gateway, tenant: str) -> None:
    ids = new_ids(3)
    redis_gateway.store.tag(tenant, "legacy", sources=ids)
    with redis_gateway.client(tenant) as client:
        client.post(DETACH, json={"names": ["legacy"], "sources": ids})

        def shown() -> str | None:
            text = client.get("/metrics").text
            return text if 'chunk_duration_seconds_count{kind="detach"}' in text else None

        text = eventually(shown)
    for name in (
        f'tagsweep_http_requests_total{{method="POST",route="{DETACH}",status="200"}}',
        f'tagsweep_http_request_duration_seconds_count{{route="{DETACH}"}}',
        'tagsweep_jobs{kind="detach",status="succeeded"}',
        'tagsweep_items_removed{kind="detach"}',
        'tagsweep_chunk_duration_seconds_bucket{kind="detach",le="+Inf"}',
        "tagsweep_chunks_open ",
        "tagsweep_oldest_unpublished_event_age_seconds ",
        "tagsweep_store_up 1.0",
    ):
        assert name in text
    assert tenant not in text


def test_the_schema_names_every_path(redis_gateway: Gateway) -> None:
    schema = httpx.get(f"{redis_gateway.url}/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    assert DETACH in schema["paths"]
    assert len(schema["paths"]) == 40


@pytest.mark.parametrize("path", ["/api/v1/jobs/", "/healthz", "/metrics", "/api/v1/tables/"])
def test_a_head_is_a_get_without_its_body(redis_gateway: Gateway, tenant: str, path: str) -> None:
    with redis_gateway.client(tenant) as client:
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert client.options(path).headers["allow"].endswith("HEAD, OPTIONS")
