"""What a job's page gives to copy does the same job, in a shell as it stands there."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended
from tests.support.stack import environment
from tests.support.stores import new_ids

pytestmark = pytest.mark.default_configuration

#: names that a shell, an option parser, or a reader of lists could take for something else
NAMES = [
    'it\'s "quoted" $(id) `id` $HOME',
    "--drop",
    "-x",
    "@names.txt",
    "a,b;c|d&e",
    "*",
    "back\\slash %s \\n",
    "two\nlines",
    "<b>bold</b>",
    "عربي",
    "🏷 é",
    "n" * 255,
]
NOTE = '--it\'s why: "so"\nand $(id)'
TAGS = [{"key": name, "value": value} for name, value in zip(NAMES, NAMES[::-1], strict=True)]
BARE = [{"key": "-bare"}, {"key": "@bare"}]
EMPTY = [{"key": "empty", "value": ""}]
WORKSPACES = [f"w-{number}" for number in range(3)]
IDS = new_ids(3)

#: a job of each kind, with all that its form can ask for
JOBS: dict[str, dict[str, Any]] = {
    "detach": {
        "names": NAMES,
        "tables": IDS,
        "folders": "*",
        "unless": ["--unless", "kept"],
        "attached_before": "2999-01-01T00:00:00Z",
        "attached_after": "2001-01-01T00:00:00+02:00",
        "drop": True,
        "max_affected": 1_000,
        "note": NOTE,
        "dry_run": True,
    },
    "attach": {"names": NAMES, "tables": IDS, "volumes": IDS[:1], "note": NOTE},
    "merge": {"names": NAMES, "into": "--into it's", "drop": True, "note": NOTE},
    "delete": {"workspaces": WORKSPACES, "tags": [*TAGS, *BARE], "note": NOTE},
    "delete from all": {"kind": "delete", "workspaces": "*", "tags": TAGS, "sys_tags": BARE},
    "set": {"workspaces": WORKSPACES, "tags": TAGS, "sys_tags": EMPTY, "note": NOTE},
}


@pytest.fixture
def shell(redis_gateway: Gateway, tenant: str, tmp_path: Path) -> Any:
    """Run what was copied in a shell whose commands go through the gateway."""
    key = redis_gateway.credential(tenant, operator=True).key
    own = environment(url=redis_gateway.url, api_key=key)
    path = f"{Path(sys.executable).parent}:{own['PATH']}"

    def run(copied: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-c", copied],
            cwd=tmp_path,
            env={**own, "PATH": path},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, 1), done.stderr  # 1: the job ended otherwise
        return done.stdout

    return run


def _copied(person: Person, job_id: str) -> dict[str, str]:
    page = person.get(f"/console/jobs/{job_id}").text
    found = re.findall(r'<pre id="copy-(\w+)" tabindex="0">(.*?)</pre>', page, re.DOTALL)
    return {name: html.unescape(text) for name, text in found}


@pytest.mark.parametrize("name", JOBS)
def test_what_is_copied_is_the_same_job(
    redis_gateway: Gateway, tenant: str, shell: Any, name: str
) -> None:
    for workspace in WORKSPACES:
        redis_gateway.store.workspace(tenant, workspace, {}, {})
    for own in (*NAMES, "kept", "--unless"):
        redis_gateway.store.tag(tenant, own, tables=IDS)
    with (
        redis_gateway.client(tenant, operator=True) as client,
        signed_in(redis_gateway, tenant, operator=True) as person,
    ):
        made = client.post("/api/v1/jobs/", json={"kind": name, **JOBS[name]})
        assert made.status_code == 202, made.text
        first = ended(client, made.headers["location"])
        copied = _copied(person, first["id"])
        known = {first["id"]}
        for form in ("command", "curl"):
            shell(copied[form])
            (new,) = {one["id"] for one in _newest(client)} - known
            again = ended(client, f"/api/v1/jobs/{new}")
            for member in ("kind", "request", "note", "counts"):
                if member != "counts" or first.get("dry_run"):
                    assert again.get(member) == first.get(member), form
            assert _copied(person, new) == copied
            known.add(new)


def _newest(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/jobs/").json()["results"]
    return found


@pytest.mark.parametrize("name", ["detach", "merge"])
def test_an_undo_that_is_copied_is_the_same_undo(
    redis_gateway: Gateway, tenant: str, shell: Any, name: str
) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=IDS)
    body = {"names": ["legacy"], "tables": IDS} | ({"into": "new"} if name == "merge" else {})
    with (
        redis_gateway.client(tenant) as client,
        signed_in(redis_gateway, tenant) as person,
    ):
        made = client.post("/api/v1/jobs/", json={"kind": name, **body})
        done = ended(client, made.headers["location"])
        asked = {"kind": "undo", "job": done["id"], "dry_run": True, "note": NOTE}
        made = client.post("/api/v1/jobs/", json=asked)
        copied = _copied(person, ended(client, made.headers["location"])["id"])
        known = {one["id"] for one in _newest(client)}
        for form in ("command", "curl"):
            shell(copied[form])
            (new,) = {one["id"] for one in _newest(client)} - known
            assert _copied(person, new) == copied
            known.add(new)


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "delete", "tags": [{"key": "a=b"}]},
        {"kind": "delete", "tags": [{"key": "env", "value": ""}]},
        {"kind": "set", "tags": [{"key": "a=b", "value": "c"}]},
    ],
)
def test_what_no_command_says_is_told_and_not_said_wrongly(
    redis_gateway: Gateway, tenant: str, shell: Any, asked: dict[str, Any]
) -> None:
    with redis_gateway.client(tenant) as client, signed_in(redis_gateway, tenant) as person:
        made = client.post("/api/v1/jobs/", json={**asked, "workspaces": ["w-1"]})
        done = ended(client, made.headers["location"])
        copied = _copied(person, done["id"])
        assert set(copied) == {"curl", "json"}
        assert "No command says this" in person.get(f"/console/jobs/{done['id']}").text
        shell(copied["curl"])
        (new,) = {one["id"] for one in _newest(client)} - {done["id"]}
        assert ended(client, f"/api/v1/jobs/{new}")["request"] == done["request"]
