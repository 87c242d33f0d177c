"""Where no gateway answers as one should: one line within seconds, and no key on its way."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from tagsweep.producer.cli.backends.request_body import Payload
from tagsweep.worker.models.jobs import DeleteJob, DetachJob
from tests.support.cli import CommandLine, ids

KEY = "ts_0123456789abcdef_secret"
COMMANDS = (("detach", "--tenant", "acme", "--name", "legacy"), ("jobs", "list"), ("events",))


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command with a key, in an empty folder."""
    return CommandLine(tmp_path, api_key=KEY)


@contextmanager
def answering(status: int, body: str, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers everything alike; yield where, and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def assert_told(run: CommandLine, command: tuple[str, ...], url: str, *words: str) -> None:
    started = time.monotonic()
    ended = run(*command, url=url)
    assert time.monotonic() - started < 5
    assert (ended.status, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert all(word in ended.err for word in (url, *words)), ended.err
    assert KEY not in ended.err
    assert not run.store.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_gateway_that_is_down_is_told_with_what_to_do(
    run: CommandLine, command: tuple[str, ...]
) -> None:
    assert_told(run, command, "http://127.0.0.1:1", "TAGSWEEP_URL", "TAGSWEEP_API_KEY")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_gateway_that_is_silent_is_told_in_time(
    run: CommandLine, command: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert_told(run, command, url, "no answer in time", "TAGSWEEP_URL")


@pytest.mark.slow
@pytest.mark.parametrize("status,body", [(200, "<html>"), (404, "<html>"), (500, "")])
def test_what_is_no_gateway_is_told(run: CommandLine, status: int, body: str) -> None:
    with answering(status, body) as (url, _):
        assert_told(run, ("jobs", "list"), url, "is not a tagsweep gateway", "TAGSWEEP_URL")


@pytest.mark.slow
def test_a_redirect_is_told_and_not_followed(run: CommandLine) -> None:
    with answering(200, "[]") as (other, asked), answering(307, "", Location=other) as (url, _):
        assert_told(run, ("jobs", "list"), url, "redirect", "TAGSWEEP_URL")
    assert asked == []


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 503])
def test_a_gateway_that_is_busy_is_told_with_the_time(run: CommandLine, status: int) -> None:
    problem = json.dumps({"status": status, "detail": "Not\njust now."})
    with answering(status, problem, Retry_After="7") as (url, _):
        for command in COMMANDS:
            assert_told(run, command, url, "Not just now. Try again in 7 seconds.")


@pytest.mark.slow
@pytest.mark.parametrize(
    "told,line",
    [
        (
            {"errors": [{"path": "/names/0", "code": "blank", "reason": "No blank."}]},
            "--name, item 1: No blank.",
        ),
        ({"sources": {"2": ["Must be a valid UUID."]}}, "--sources, item 3: Must be a valid UUID."),
        ({"non_field_errors": ["Too much."]}, "Too much."),
        ({"detail": "Bad \x1b[1m thing."}, "The gateway refuses the request: Bad [1m thing."),
    ],
)
def test_faults_that_a_gateway_finds_are_told_by_option(
    run: CommandLine, told: dict[str, object], line: str
) -> None:
    with answering(400, json.dumps(told)) as (url, _):
        ended = run("detach", "--tenant", "acme", "--name", "legacy", url=url)
    assert (ended.status, ended.out, ended.err) == (2, "", f"tagsweep: {line}\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name,value",
    [
        ("url", "127.0.0.1:8000"),
        ("url", "http://[::1"),
        ("url", "http://host:port"),
        ("url", "http://user:secret@host"),
        ("url", "https://host/?a=b"),
        ("api_key", "with blank"),
        ("api_key", "schlüssel"),
    ],
)
def test_a_setting_that_is_not_usable_is_named(run: CommandLine, name: str, value: str) -> None:
    ended = run("jobs", "list", **{name: value})
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"tagsweep: TAGSWEEP_{name.upper()}=")
    assert "secret" not in ended.err
    assert "with blank" not in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize("count", [0, 1, 2, 10_000, 10_001, 25_000])
def test_a_payload_is_the_job_in_pieces_of_a_known_length(count: int) -> None:
    lists = {"tables": ids(count), "volumes": ids(count)[:3]}
    body = {"tenant": "acme", "names": ['"legacy"', "é"], **lists}
    payload = Payload(DetachJob.parse(body))
    pieces = list(payload)
    assert sum(map(len, pieces)) == len(payload)
    assert max(map(len, pieces)) < 500_000
    assert json.loads(b"".join(pieces)) == {"kind": "detach", **body}


@pytest.mark.parametrize("count", [0, 1, 10_001])
def test_a_payload_of_workspaces_is_no_different(count: int) -> None:
    names = [uuid4().hex for _ in range(count)]
    body = {"tenant": "p-1", "workspaces": names, "tags": [{"key": "env", "value": "dev"}]}
    payload = Payload(DeleteJob.parse(body))
    whole = b"".join(payload)
    assert len(whole) == len(payload)
    assert json.loads(whole) == {"kind": "delete", **body}
