"""`tagsweep events`, and what the command says of itself."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.cli import CommandLine, ids


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command in an empty folder, everything embedded."""
    return CommandLine(tmp_path)


def detach(run: CommandLine) -> str:
    arguments = ("--tenant", "acme", "--name", "legacy", "--tables", ids(1)[0])
    job_id: str = run("detach", *arguments, "--json").json["job_id"]
    return job_id


@pytest.mark.slow
def test_events_come_in_the_order_of_their_feed(run: CommandLine) -> None:
    jobs = [detach(run), detach(run)]
    assert [event["subject"] for event in run.events()] == jobs
    assert len(run("events", "--since", "1h").out.splitlines()) == 2
    assert run("events", "--since", "2999-01-01T00:00:00Z").out == ""


@pytest.mark.slow
def test_following_shows_what_ends_later(run: CommandLine) -> None:
    first = detach(run)
    with run.started("events", "--follow") as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["subject"] == first
        second = detach(run)
        assert json.loads(following.stdout.readline())["subject"] == second
        following.send_signal(signal.SIGINT)
        assert following.communicate(timeout=10) == ("", "")
    assert following.returncode == 0


@pytest.mark.slow
def test_a_reader_who_leaves_ends_it_quietly(run: CommandLine) -> None:
    detach(run)
    with run.started("events", "--follow") as following:
        assert following.stdout is not None
        assert following.stderr is not None
        following.stdout.readline()
        following.stdout.close()
        assert following.wait(timeout=10) == 0
        assert following.stderr.read() == ""


@pytest.mark.parametrize("since", ["yesterday", "10", "999999w", ""])
def test_a_time_that_is_none_is_told(run: CommandLine, since: str) -> None:
    refused = run("events", "--since", since)
    assert refused.status == 2
    assert "--since" in refused.err


def loaded(run: CommandLine, program: str) -> set[str]:
    """Return which of the libraries that take long to load a Python program has loaded."""
    done = run.python(f"{program}\nimport sys; print(*sys.modules)")
    assert done.status == 0, done.err
    return {"celery", "kombu", "sqlalchemy", "psycopg"} & {*done.out.splitlines()[-1].split()}


SHOWN = """import sys
from tagsweep.producer.cli import main
sys.argv = ["tagsweep", "--help"]
try:
    main()
except SystemExit:
    pass"""


def test_help_loads_neither_celery_nor_a_database_driver(run: CommandLine) -> None:
    assert loaded(run, SHOWN) == set()


@pytest.mark.slow
def test_whoever_sends_jobs_loads_no_database_driver(run: CommandLine) -> None:
    assert loaded(run, "import tagsweep") == set()
    assert loaded(run, "from tagsweep import JobHandle, TagSweep") == {"celery", "kombu"}
    assert run.python("import tagsweep; tagsweep.nothing").err.endswith("no attribute 'nothing'\n")


@pytest.mark.slow
def test_who_goes_through_a_gateway_loads_neither(run: CommandLine) -> None:
    program = SHOWN.replace('"--help"', '"jobs", "list"')
    ended = run.python(program, url="http://127.0.0.1:1", api_key="ts_0123456789")
    assert "does not answer" in ended.err
    run = CommandLine(run.folder, url="http://127.0.0.1:1", api_key="ts_0123456789")
    assert loaded(run, program) == set()


@pytest.mark.slow
def test_help_shows_examples(run: CommandLine) -> None:
    shown = run("--help")
    assert shown.status == 0
    assert "tagsweep detach --tenant acme --name legacy" in shown.out
    assert run("--version").out.startswith("tagsweep ")
    assert run().out == shown.out


def test_an_unknown_command_is_told_with_the_one_that_was_meant(run: CommandLine) -> None:
    refused = run("detahc")
    assert (refused.status, refused.out) == (2, "")
    assert "Did you mean 'detach'?" in refused.err
