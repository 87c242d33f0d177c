"""The receipt over HTTP: in the form that is asked for, of own jobs, whole or broken off."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import update

from tagsweep.worker.models.tables import job
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack
from tests.support.stores import new_ids

JOBS = "/api/v1/jobs/"
NDJSON, CSV = "application/x-ndjson", "text/csv; charset=utf-8"


def _detached(gateway: Gateway, client: httpx.Client, tenant: str) -> tuple[str, list[str]]:
    """Take a tag off four resources, of which two carry it; return where the job is, and which."""
    ids = sorted(new_ids(4))
    gateway.store.tag(tenant, "legacy", tables=ids[:2])
    body = {"kind": "detach", "names": ["legacy"], "tables": ids}
    path = client.post(JOBS, json=body).headers["location"]
    ended(client, path)
    return path, ids


def test_each_item_has_a_row(gateway: Gateway, tenant: str) -> None:
    with gateway.client(tenant) as client:
        path, ids = _detached(gateway, client, tenant)
        answer = client.get(f"{path}/receipt")
        assert (answer.status_code, answer.headers["content-type"]) == (200, NDJSON)
        told = [json.loads(line) for line in answer.text.splitlines()]
        assert told == [
            {"tag": "legacy", "resource_type": "tables", "resource": one,
             "outcome": "removed" if one in ids[:2] else "absent", "reason": None}
            for one in ids
        ]  # fmt: skip
        (row,) = gateway.store.outbox(path.rpartition("/")[2])
        assert json.loads(row.event)["dataref"] == f"{path}/receipt"


def test_a_delete_tells_keys_and_the_reason_of_failures_as_csv(
    redis_gateway: Gateway, tenant: str
) -> None:
    redis_gateway.store.workspace(tenant, "w-1", {"env": "dev, or so"})
    body = {"kind": "delete", "workspaces": ["w-1", "w-2"], "tags": [{"key": "env"}]}
    with redis_gateway.client(tenant) as client:
        path = client.post(JOBS, json=body).headers["location"]
        ended(client, path)
        answer = client.get(f"{path}/receipt/", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"] == CSV
        assert list(csv.reader(answer.text.splitlines())) == [
            ["key", "value", "system", "workspace", "outcome", "reason"],
            ["env", "dev, or so", "false", "w-1", "removed", ""],
            ["env", "", "false", "w-2", "failed", "There is no such workspace."],
        ]
        some = client.get(f"{path}/receipt", params={"outcome": "failed"}).text
        both = client.get(f"{path}/receipt?outcome=failed&outcome=removed").text
        assert [json.loads(line)["workspace"] for line in some.splitlines()] == ["w-2"]
        assert len(both.splitlines()) == 2
        assert client.get(f"{path}/receipt?outcome=failed,removed").text == both
        assert client.get(f"{path}/receipt?outcome=absent").text == ""
        assert client.get(f"{path}/receipt?outcome=gone").status_code == 400


@pytest.mark.parametrize(
    "accepts,form",
    [
        ("*/*", NDJSON),
        ("text/*", CSV),
        ("text/csv;q=0.4, application/x-ndjson;q=0.5", NDJSON),
        ("application/*;q=0.1, text/csv", CSV),
        ("application/x-ndjson;q=0, */*", CSV),
        ("application/json", None),
        ("text/csv;q=0", None),
        ("text/csv;q=x", None),
    ],
)
def test_the_form_is_the_one_that_is_accepted(
    redis_gateway: Gateway, tenant: str, accepts: str, form: str | None
) -> None:
    with redis_gateway.client(tenant, headers={"Accept": accepts}) as client:
        path = client.post(JOBS, json={"kind": "detach", "names": []}).headers["location"]
        answer = client.get(f"{path}/receipt")
    if form:
        assert (answer.status_code, answer.headers["content-type"]) == (200, form)
    else:
        assert (answer.status_code, answer.json()["title"]) == (406, "Not Acceptable")


def test_what_cannot_be_read_is_told(redis_gateway: Gateway, tenant: str) -> None:
    with redis_gateway.client(tenant) as client, redis_gateway.client(f"{tenant}-b") as another:
        path, _ = _detached(redis_gateway, client, tenant)
        assert another.get(f"{path}/receipt").status_code == 404
        for unknown in (uuid4(), "x"):
            assert client.get(f"{JOBS}{unknown}/receipt").status_code == 404
        _forget(redis_gateway, path)
        gone = client.get(f"{path}/receipt")
        assert gone.status_code == 410
        assert "TAGSWEEP_KEEP_REMOVALS_DAYS" in gone.json()["detail"]


def _forget(gateway: Gateway, path: str) -> None:
    with gateway.store.transaction() as connection:
        this = job.c.id == UUID(path.rpartition("/")[2])
        connection.execute(update(job).where(this).values(forgotten_at=datetime.now().astimezone()))


def _many(stack: ServerStack, gateway: Gateway, tenant: str) -> tuple[str, list[str]]:
    """Record a job of 40 chunks, a megabyte and a half of receipt each, with no worker there."""
    stack.settings["chunk_size"] = 10_000
    ids = new_ids(400_000)
    gateway.store.tag(tenant, "legacy", tables=ids[:3])
    with gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": ids}
        path = client.post(JOBS, json=body).headers["location"]
    return path, ids


@pytest.mark.slow
def test_a_long_receipt_is_whole_or_breaks_off(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str, tmp_path: Path
) -> None:
    path, ids = _many(idle_stack, idle_gateway, tenant)
    idle_stack.start_worker()
    with idle_gateway.client(tenant) as client:
        assert ended(client, path)["status"] == "succeeded"
        with client.stream("GET", f"{path}/receipt") as answer:
            rows = [json.loads(line) for line in answer.iter_lines()]
        assert {row["resource"] for row in rows} == set(ids)
        # a client that goes away, and one in whose midst the record goes
        with client.stream("GET", f"{path}/receipt") as answer:
            next(answer.iter_bytes())
        with client.stream("GET", f"{path}/receipt") as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            _forget(idle_gateway, path)
            with pytest.raises(httpx.RemoteProtocolError):
                list(pieces)
        assert client.get(path).status_code == 200
    key = idle_gateway.credential(tenant).key
    run = CommandLine(tmp_path, url=idle_gateway.url, api_key=key)
    told = run("jobs", "receipt", path.rpartition("/")[2])
    assert (told.status, told.out) == (2, "")
    assert "TAGSWEEP_KEEP_REMOVALS_DAYS" in told.err


@pytest.mark.slow
def test_the_command_reads_the_same_receipt_on_both_ways(
    up_gateway: Gateway, tenant: str, tmp_path: Path
) -> None:
    with up_gateway.client(tenant) as client:
        path, ids = _detached(up_gateway, client, tenant)
    job_id = path.rpartition("/")[2]
    key = up_gateway.credential(tenant).key
    remote = CommandLine(tmp_path, url=up_gateway.url, api_key=key)
    direct = CommandLine(tmp_path, database_url=str(up_gateway.settings["database_url"]))
    for arguments in ((), ("--csv",), ("--outcome", "removed"), ("--outcome", "removed,absent")):
        told: list[Any] = [run("jobs", "receipt", job_id, *arguments) for run in (remote, direct)]
        assert [one.status for one in told] == [0, 0], told[0].err + told[1].err
        assert told[0].out == told[1].out
    removed = [json.loads(line) for line in direct("jobs", "receipt", job_id).out.splitlines()]
    assert [row["resource"] for row in removed] == ids
    for run in (remote, direct):
        wrong = run("jobs", "receipt", job_id, "--outcome", "gone")
        assert (wrong.status, wrong.out) == (2, "")
        assert "--outcome 'gone': must be one of removed, absent" in wrong.err
        unknown = run("jobs", "receipt", str(uuid4()))
        assert (unknown.status, "There is no job" in unknown.err) == (2, True)
