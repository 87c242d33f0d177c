"""The command line on servers, and where they are down."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import (
    CommandLine,
    Ended,
    eventually,
    ids,
)

ACME = ("--tenant", "acme", "--name", "legacy")


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command in an empty folder."""
    return CommandLine(tmp_path)


@pytest.fixture
def silent() -> Iterator[str]:
    """Where something listens and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def assert_told(ended: Ended, variable: str) -> None:
    assert (ended.status, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert variable in ended.err


def seconds_of(run: CommandLine, **settings: str) -> float:
    """Return how long a detach takes that ends in an error of its servers."""
    started = time.monotonic()
    ended = run("detach", *ACME, **settings)
    assert_told(ended, "TAGSWEEP_")
    return time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("detach", *ACME), ("jobs", "list"), ("events",), ("migrate",), ("worker",)]
)
def test_a_database_that_is_down_is_told_at_once(
    run: CommandLine, command: tuple[str, ...]
) -> None:
    ended = run(*command, database_url="postgresql://postgres@127.0.0.1:1/x")
    assert_told(ended, "TAGSWEEP_DATABASE_URL")


@pytest.mark.slow
def test_a_database_that_never_answers_is_told_in_time(run: CommandLine, silent: str) -> None:
    at_once = seconds_of(run, database_url="postgresql://postgres@127.0.0.1:1/x")
    assert seconds_of(run, database_url=f"postgresql://postgres@{silent}/x") < at_once + 5


@pytest.mark.slow
@pytest.mark.parametrize("command", [("detach", *ACME), ("worker",)])
@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "amqp://127.0.0.1:1"])
def test_a_broker_that_is_down_is_told_and_nothing_is_recorded(
    run: CommandLine, command: tuple[str, ...], url: str
) -> None:
    ended = run(*command, broker_url=url, database_url=f"sqlite:///{run.store}")
    assert_told(ended, "TAGSWEEP_BROKER_URL")
    assert run.count("job") == 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_never_answers_is_told_in_time(
    run: CommandLine, silent: str, scheme: str
) -> None:
    store = f"sqlite:///{run.store}"
    at_once = seconds_of(run, broker_url=f"{scheme}://127.0.0.1:1", database_url=store)
    assert seconds_of(run, broker_url=f"{scheme}://{silent}", database_url=store) < at_once + 5
    assert run.count("job") == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", [("detach", *ACME), ("worker",), ("serve",), ("migrate",)])
@pytest.mark.parametrize("name", ["broker_url", "events_url", "results_url"])
def test_a_server_without_a_store_stops_the_start(
    run: CommandLine, command: tuple[str, ...], name: str
) -> None:
    given = {"broker_url": "amqp://127.0.0.1:1", name: "redis://127.0.0.1:1/0"}
    ended = run(*command, **given)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("tagsweep: TAGSWEEP_DATABASE_URL is not set, but TAGSWEEP_")
    assert len(ended.err.splitlines()) == 1
    assert not run.store.exists()


@pytest.mark.slow
def test_doctor_says_that_a_broker_has_no_store(run: CommandLine) -> None:
    ended = run("doctor", broker_url="redis://127.0.0.1:1/0")
    assert ended.status == 1
    assert "TAGSWEEP_DATABASE_URL is not set, but TAGSWEEP_BROKER_URL is" in ended.out


@pytest.mark.parametrize(
    "name,value",
    [
        ("broker_url", "kafka://x"),
        ("broker_url", "redis://host:port"),
        ("database_url", "mysql://x"),
        ("database_url", "postgresql://host:port/x"),
        ("database_url", "postgresql://user:secret@[::1/x"),
        ("database_url", "sqlite://tagsweep.db"),
        ("broker_url", "amqp://user:secret@[::1"),
        ("broker_url", "redis://:secret@[::1/0"),
        ("broker_url", "redis://host/name"),
        ("events_url", "redis://[::1"),
        ("results_url", "redis://[::1"),
        ("results_url", "nonsense"),
        ("chunk_size", "many"),
    ],
)
def test_a_setting_that_is_not_usable_is_named(run: CommandLine, name: str, value: str) -> None:
    ended = run("detach", *ACME, **{name: value})
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"tagsweep: TAGSWEEP_{name.upper()}=")
    assert "secret" not in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "path,words",
    [
        ("none/tagsweep.db", "its folder does not exist. Create it, or set"),
        ("", "it cannot be opened. Check its folder's permissions, or set"),
        ("text.db", "the file is not a SQLite database. Move it away, or set"),
        ("locked/tagsweep.db", "it cannot be opened. Check its folder's permissions, or set"),
        ("read-only.db", "it cannot be written. Check its permissions, or set"),
    ],
)
def test_a_file_that_is_no_store_is_told_with_what_to_do(
    run: CommandLine, path: str, words: str
) -> None:
    (run.folder / "text.db").write_text("no database at all\n" * 100)
    (run.folder / "locked").mkdir(mode=0o500)
    sqlite3.connect(run.folder / "read-only.db").executescript("CREATE TABLE x (y)").close()
    (run.folder / "read-only.db").chmod(0o400)
    if path.startswith(("locked", "read-only")) and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    ended = run("detach", *ACME, database_url=f"sqlite:///{run.folder / path}")
    assert_told(ended, "TAGSWEEP_DATABASE_URL to another file")
    assert words in ended.err


@pytest.mark.slow
@pytest.mark.integration
def test_a_schema_that_is_missing_names_the_command_that_makes_it(
    tmp_path: Path, postgres_url: str
) -> None:
    run = CommandLine(tmp_path, database_url=postgres_url)
    refused = run("detach", *ACME)
    assert refused.status == 1
    assert "tagsweep migrate" in refused.err
    assert run("migrate").status == 0
    assert run("jobs", "list", "--json").json == []


@pytest.mark.slow
@pytest.mark.integration
def test_a_job_behind_a_broker_waits_for_a_worker_and_says_so(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    run = CommandLine(tmp_path, database_url=postgres_url, broker_url=redis_url)
    assert run("migrate").status == 0
    run.load(tables=ids(25_000))
    listed = run.file("ids.txt", ids(25_000))
    with run.started("detach", *ACME, "--tables", listed, "--json") as waiting:
        assert waiting.stderr is not None
        assert "tagsweep worker" in waiting.stderr.readline()
        with run.started("worker", "--concurrency", "1", "--loglevel", "error") as worker:
            out, err = waiting.communicate(timeout=60)
            worker.send_signal(signal.SIGTERM)
            eventually(lambda: worker.poll() is not None)
    assert (waiting.returncode, err) == (0, "")
    assert json.loads(out)["counts"]["removed"] == 25_000
    assert [event["data"] for event in run.events()] == [json.loads(out)]
