"""Clients that others generate from the gateway's OpenAPI document."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wanting
from tests.servers.processes import ServerMissing
from tests.support.cli import ROOT
from tests.support.gateway import Gateway
from tests.support.stores import new_ids

PYTHON_GENERATOR = "openapi-python-client==0.29.1"
TYPESCRIPT_GENERATOR = "openapi-typescript@7.13.0"
TYPESCRIPT = "typescript@5.9.3"

#: what a generated client does: submit a job with a class of its own, and read it back
CALLS = """
import sys
from uuid import UUID
from tagsweep_client import AuthenticatedClient
from tagsweep_client.api.jobs import make_job, show_job
from tagsweep_client.models import NewDetach

url, key, table = sys.argv[1:]
client = AuthenticatedClient(url, key, prefix="", auth_header_name="x-api-key")
body = NewDetach(kind="detach", names=["legacy"], tables=[UUID(table)], strict=True, note="why")
made = make_job.sync(client=client, body=body)
job = show_job.sync(made.id, client=client)
print(job.kind, job.request.lists["tables"], job.requested_by.door, job.note)
"""


@pytest.fixture(scope="module")
def document(redis_gateway: Gateway) -> dict[str, Any]:
    """The document as the gateway serves it."""
    with redis_gateway.client("reader") as client:
        schema: dict[str, Any] = client.get("/openapi.json").json()
    return schema


@pytest.fixture
def file(document: dict[str, Any], tmp_path: Path) -> Path:
    """The document as a file."""
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def _fetched(*command: str) -> list[str]:
    """Return ``command``, whose program comes from a package registry; skip without it."""
    program, *arguments = command
    found = shutil.which(program) or str(ROOT / ".bootstrap" / "bin" / program)
    if not Path(found).exists():
        wanting(ServerMissing(f"{program} is not installed"))
    first = subprocess.run([found, *arguments, "--version"], capture_output=True, check=False)
    if first.returncode:
        wanting(ServerMissing(f"{' '.join(command)} cannot be had"))
    return [found, *arguments]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within ``value``."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from _nodes(each)


def test_the_document_says_where_it_is_served_and_how_to_authenticate(
    document: dict[str, Any],
) -> None:
    assert document["servers"] == [
        {"url": "/", "description": "The gateway that this document is from."}
    ]
    known = document["components"]["securitySchemes"]
    for path, item in document["paths"].items():
        for operation in item.values():
            needed = operation["security"]
            assert bool(needed) == (path.startswith(("/api/", "/v1/"))), path
            assert {name for each in needed for name in each} <= known.keys()
            assert operation["operationId"]


def test_every_constant_is_a_text_and_every_choice_has_a_type(document: dict[str, Any]) -> None:
    for node in _nodes(document["components"]["schemas"]):
        if "const" in node:
            assert (node.get("type"), type(node["const"])) == ("string", str)
        if isinstance(node.get("enum"), list):
            assert node.get("type") == "string"


def test_no_parameter_is_there_in_two_spellings(document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            names = [
                each["name"].lower().replace("-", "_").rstrip("[]")
                for each in operation["parameters"]
            ]
            assert len(names) == len({*names})


def test_other_spellings_are_still_taken(redis_gateway: Gateway, tenant: str) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(1))
    with redis_gateway.client(tenant) as client:
        for name in ("expand", "expand[]"):
            page = client.get("/api/v1/tables/", params={name: "tags"}).json()
            assert [tag["name"] for row in page["results"] for tag in row["tags"]] == ["legacy"]
        assert client.get("/api/v1/tables/", params={"expnad": "tags"}).status_code == 400


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_python_client_is_generated_without_a_warning_and_works(
    redis_gateway: Gateway, tenant: str, file: Path
) -> None:
    generator = _fetched("uv", "tool", "run", "--from", PYTHON_GENERATOR, "openapi-python-client")
    out = file.parent / "client"
    command = [*generator, "generate", "--path", str(file), "--output-path", str(out)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "WARNING" not in made.stdout + made.stderr
    (table,) = new_ids(1)
    redis_gateway.store.tag(tenant, "legacy", tables=[table])
    key = redis_gateway.credential(tenant).key
    calls = [sys.executable, "-c", CALLS, redis_gateway.url, key, table]
    done = subprocess.run(calls, cwd=out, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["detach", "1", "http", "why"], "")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_typescript_types_are_generated_and_compile(file: Path) -> None:
    generator = _fetched("npx", "--yes", TYPESCRIPT_GENERATOR)
    types = file.with_name("tagsweep.d.ts")
    made = subprocess.run(
        [*generator, str(file), "-o", str(types)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    use = file.with_name("use.ts")
    use.write_text(
        'import type { components } from "./tagsweep";\n'
        'const job: components["schemas"]["NewJob"] = '
        '{ kind: "detach", names: ["legacy"], tables: "*", strict: true };\n'
        'const shown = (of: components["schemas"]["Job"]): number => of.counts.total;\n'
        "export { job, shown };\n"
    )
    compiler = _fetched("npx", "--yes", "-p", TYPESCRIPT, "tsc")
    checked = subprocess.run(
        [*compiler, "--noEmit", "--strict", str(use)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")
