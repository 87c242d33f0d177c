"""Standard output that is full, closed or no longer read; on every command."""

from __future__ import annotations

import csv
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import pytest

from tagsweep.producer.cli.main import COMMANDS
from tagsweep.producer.cli.output import jobs, terminal
from tagsweep.producer.cli.shared_options import LONG_RUNNING
from tests.support.cli import COMMAND, CommandLine, Ended, ids

FULL, CLOSED, BOTH_FULL = "> /dev/full", ">&-", "> /dev/full 2>&1"
ALL_CLOSED = "<&- >&- 2>&-"
REASONS = {FULL: "No space left on device", CLOSED: "Bad file descriptor"}
DETACH = ("detach", "--tenant", "acme", "--name", "legacy", "--tables")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The command in a folder with a job that has ended, everything embedded."""
    run = CommandLine(tmp_path_factory.mktemp("output"))
    run.load(tables=ids(3))
    done = run(*DETACH, ids(1)[0], "--json").json
    (run.folder / "job").write_text(done["job_id"])
    return run


def _redirected(run: CommandLine, redirection: str, *arguments: str, stdin: str = "") -> Ended:
    """Run a command in a shell that redirects its streams."""
    shell = ["sh", "-c", f'"$@" {redirection}', "sh"]
    return run._run([*shell, *COMMAND, *arguments], stdin, {})


def _job(run: CommandLine) -> str:
    """Return the id of a job that has ended."""
    return (run.folder / "job").read_text()


#: commands whose work is done whatever becomes of their output
WORK: dict[str, tuple[str, ...]] = {
    "detach": (*DETACH, "*"),
    "detach, as JSON": (*DETACH, "*", "--json"),
    "attach": ("attach", *DETACH[1:], ids(2)[1]),
    "no wait": (*DETACH, "*", "--no-wait"),
    "load": ("load", "-"),
    "migrate": ("migrate",),
    "watch": ("jobs", "watch", "ID"),
    "undo": ("jobs", "undo", "ID"),
}
#: commands that are there to print
READ: dict[str, tuple[str, ...]] = {
    "version": ("--version",),
    "jobs list": ("jobs", "list"),
    "jobs list, as JSON": ("jobs", "list", "--json"),
    "jobs show": ("jobs", "show", "ID"),
    "receipt": ("jobs", "receipt", "ID"),
    "events": ("events",),
    "keys": ("keys", "list", "--json"),
    "doctor": ("doctor",),
    **{f"{name} --help": (name, "--help") for name in COMMANDS if name not in LONG_RUNNING},
}


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [FULL, CLOSED])
@pytest.mark.parametrize("name", WORK)
def test_what_is_done_is_done_although_nothing_can_be_printed(
    run: CommandLine, name: str, redirection: str
) -> None:
    job = _job(run)
    arguments = [job if word == "ID" else word for word in WORK[name]]
    line = json.dumps({"tenant": "acme", "name": "legacy", "tables": ids(3)})
    done = _redirected(run, redirection, *arguments, stdin=line + "\n")
    assert done.status == 0
    told = f"tagsweep: Cannot write to stdout: {REASONS[redirection]}."
    (last,) = [line for line in done.err.splitlines() if line.startswith("tagsweep:")]
    assert last.startswith(told)
    assert len(last) > len(told)  # and what was done
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [FULL, CLOSED])
@pytest.mark.parametrize("name", READ)
def test_what_cannot_be_printed_is_told_in_one_line(
    run: CommandLine, name: str, redirection: str
) -> None:
    arguments = [_job(run) if word == "ID" else word for word in READ[name]]
    done = _redirected(run, redirection, *arguments)
    told = f"tagsweep: Cannot write to stdout: {REASONS[redirection]}."
    (last,) = [line for line in done.err.splitlines() if line.startswith("tagsweep:")]
    assert (done.status, last, "Traceback" in done.err) == (1, told, False)


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [BOTH_FULL, ALL_CLOSED, "2> /dev/full"])
def test_without_stderr_either_the_exit_status_tells(run: CommandLine, redirection: str) -> None:
    assert _redirected(run, redirection, *DETACH, "*").status == 0
    wrong = _redirected(run, redirection, *DETACH, "no uuid")
    assert (wrong.status, wrong.out, wrong.err) == (2, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("command", [("jobs", "receipt", "ID"), ("--help",), (*DETACH, "*")])
def test_a_pipe_that_nobody_reads_ends_the_command_quietly(
    run: CommandLine, command: tuple[str, ...]
) -> None:
    arguments = [_job(run) if word == "ID" else word for word in command]
    status = '; echo "${PIPESTATUS[0]}" >&2'
    shell = ["bash", "-c", f'"$@" | true{status}', "bash"]
    slow = ["sh", "-c", 'sleep 1; exec "$@"', "sh"]  # until nobody reads any more
    done = run._run([*shell, *slow, *COMMAND, *arguments], "", {})
    assert done.err.splitlines()[-1] == "141"
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize("redirection", [FULL, CLOSED])
def test_a_server_runs_whatever_becomes_of_its_output(tmp_path: Path, redirection: str) -> None:
    run = CommandLine(tmp_path)
    left = run(*DETACH, ids(1)[0], "--no-wait").out.strip()
    command = ["sh", "-c", f'exec "$@" {redirection} 2> log', "sh", *COMMAND, "worker"]
    with subprocess.Popen(command, cwd=tmp_path, env=run._environment) as worker:
        try:
            assert run("jobs", "watch", left).status == 0
        finally:
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WORK, *READ])
def test_each_command_prints_json_ndjson_and_csv(run: CommandLine, name: str) -> None:
    arguments = [_job(run) if word == "ID" else word for word in (WORK | READ)[name]]
    if not {"--help", "--version", "--json"} & {*arguments}:
        line = json.dumps({"tenant": "acme", "name": "legacy", "tables": ids(3)}) + "\n"
        printed = {
            form: run(*arguments, "-o", form, stdin=line).out for form in ("json", "ndjson", "csv")
        }
        document = json.loads(printed["json"])
        lines = [json.loads(line) for line in printed["ndjson"].splitlines()]
        table = list(csv.DictReader(printed["csv"].splitlines()))
        assert document
        assert len(lines) == len(table) > 0
        assert all(isinstance(each, dict) for each in lines)


@pytest.mark.parametrize(
    "arguments,fault",
    [
        (("jobs", "list", "--output", "xml"), "--output 'xml': must be one of table, json"),
        (("jobs", "list", "--json", "-o", "csv"), "give one of them"),
        (("serve", "--json"), "`tagsweep serve` has no result to print as json"),
        (("events", "--follow", "-o", "csv"), "--follow prints NDJSON"),
        (("jobs", "list", "--kind", "x"), "--kind 'x': must be one of detach"),
        (("jobs", "list", "--since", "x"), "--since 'x': give a time"),
        (("jobs", "watch", str(UUID(int=1)), "--timeout", "soon"), "--timeout 'soon': give a time"),
    ],
)
def test_what_cannot_be_printed_or_listed_is_refused_in_one_line(
    run: CommandLine, arguments: tuple[str, ...], fault: str
) -> None:
    refused = run(*arguments)
    assert (refused.status, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert fault in refused.err


INTERRUPTED = """
import signal
from tagsweep.producer.cli.output import stdout, terminal
printing = False
def interrupt(*_):
    global printing
    if printing:
        printing = False
        raise KeyboardInterrupt
stdout.guard()
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for number in range(20_000):
    try:
        printing = True
        terminal.write(str(number))
        printing = False
    except KeyboardInterrupt:
        pass
"""


def test_what_was_printed_when_ctrl_c_came_is_not_printed_again() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = [int(line) for line in done.stdout.split()]
    assert len(printed) > 10_000, done.stderr
    assert printed == sorted(set(printed))


@pytest.mark.slow
def test_jobs_are_listed_by_kind_by_time_and_by_who_asked(run: CommandLine) -> None:
    listed = run("jobs", "list", "--json").json
    kinds = {job["kind"] for job in listed}
    for kind in kinds:
        found = run("jobs", "list", "--kind", kind, "--json", "--limit", "100").json
        assert {job["kind"] for job in found} == {kind}
    (name,) = {job["requested_by"]["name"] for job in listed}
    assert len(run("jobs", "list", "--by", name, "--since", "1h", "--json").json) == len(listed)
    assert run("jobs", "list", "--by", "nobody", "--json").json == []
    assert run("jobs", "list", "--since", "2100-01-01", "--json").json == []


@pytest.mark.slow
def test_watching_ends_with_3_when_the_time_is_over(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    left = run(*DETACH, ids(1)[0], "--no-wait").out.strip()
    over = run("jobs", "watch", left, "--timeout", "1s")
    assert (over.status, over.out) == (3, "")
    assert f"Job {left} is queued, and the time to wait is over." in over.err


@pytest.mark.slow
def test_a_narrow_terminal_gets_blocks_and_a_wide_one_a_table(run: CommandLine) -> None:
    for columns, first in ((60, "ID        "), (200, "ID                                    KIND")):
        command = shlex.join([*COMMAND, "jobs", "list", "--limit", "2"])
        shell = [
            "script",
            "-qec",
            f"unset COLUMNS LINES; stty cols {columns}; {command}",
            "/dev/null",
        ]
        done = run._run(shell, "", {})
        lines = done.out.replace("\r", "").splitlines()
        assert lines[0].startswith(first)
        assert max(map(len, lines)) <= max(columns, 70)


def test_times_name_their_zone_and_numbers_their_noun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert jobs.moment("2026-01-31T12:00:00.5+00:00") == "2026-01-31 17:30:00+05:30"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [terminal.counted(number, "item") for number in (0, 1, 1_200)] == [
        "0 items",
        "1 item",
        "1,200 items",
    ]
