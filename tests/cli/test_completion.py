"""Completion in bash, zsh and fish, as ``tagsweep --install-completion`` installs it."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tagsweep.producer.cli.completion import CALLBACKS
from tagsweep.producer.cli.main import COMMANDS, load
from tests.conftest import wanting
from tests.servers.processes import ServerMissing
from tests.support.cli import ROOT, CommandLine, ids

DETACH = "tagsweep detach --tenant acme --name legacy --tables"
SHELLS = ("bash", "zsh", "fish")
#: a tag of two words, to a shell that splits at a colon
COLON = "env:prod"


class Shell:
    """An interactive shell in which ``tagsweep`` is a command, with a home of its own."""

    def __init__(self, name: str, run: CommandLine) -> None:
        self.name = name
        self.run = run
        found = shutil.which(name)
        if found is None:
            wanting(ServerMissing(f"{name} is not installed"))
        self.path = found
        self.home = run.folder / f"home-{name}"
        programs = run.folder / "bin"
        for folder in (self.home, programs):
            folder.mkdir(exist_ok=True)
        command = programs / "tagsweep"
        command.write_text(f"#!{sys.executable}\nfrom tagsweep.producer.cli import main\nmain()\n")
        command.chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        own = {"HOME": str(self.home), "PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
        self.environment = {**run._environment, **own, "SHELL": found}
        if name == "zsh":
            startup = self.home / "zsh"
            startup.mkdir(exist_ok=True)
            (startup / ".zshrc").write_text("")  # else it asks what to do with a new user
            self.environment["ZDOTDIR"] = str(startup)
        if name == "fish":  # else it reads every man page, in the background
            data = self.home / "data"
            (data / "fish" / "generated_completions").mkdir(parents=True, exist_ok=True)
            self.environment["XDG_DATA_HOME"] = str(data)

    def install(self) -> str:
        """Install the completion from within the shell; return what is printed."""
        done = subprocess.run(
            [self.path, "-c", "tagsweep --install-completion; exit"],
            cwd=self.run.folder, env=self.environment, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def typed(self, line: str, expected: str) -> str:
        """Type ``line`` and Tab, until what is shown has ``expected``; return what is shown."""
        process, terminal = pty.fork()
        if process == 0:  # the shell
            os.chdir(self.run.folder)
            os.execve(self.path, [self.path, "-i"], self.environment)  # noqa: S606  # found by which
        try:
            return _shown(terminal, line, expected)
        finally:
            os.kill(process, 9)
            os.waitpid(process, 0)
            os.close(terminal)


def _shown(terminal: int, line: str, expected: str) -> str:
    _read(terminal, until=time.monotonic() + 1)  # its greeting and prompt
    os.write(terminal, line.encode())
    shown, end = "", time.monotonic() + 30
    while expected not in shown and time.monotonic() < end:
        os.write(terminal, b"\t")
        shown += _read(terminal, until=time.monotonic() + 3, expected=expected)
    return shown


def _read(terminal: int, until: float, expected: str | None = None) -> str:
    text = ""
    while (left := until - time.monotonic()) > 0 and (expected is None or expected not in text):
        if not select.select([terminal], [], [], left)[0]:
            break
        text += os.read(terminal, 1 << 16).decode(errors="replace")
    return text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The command in a folder with a tag and a job."""
    run = CommandLine(tmp_path_factory.mktemp("completion"))
    run.load(tables=ids(1))
    line = json.dumps({"tenant": "acme", "name": COLON, "tables": ids(1)})
    assert run("load", "-", stdin=line).status == 0
    run.file("resources.txt", ids(1))
    done = run("detach", "--tenant", "acme", "--name", "legacy", "--tables", ids(1)[0], "--json")
    (run.folder / "job").write_text(done.json["job_id"])
    return run


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest, run: CommandLine) -> Shell:
    """Each shell in turn, with the completion installed."""
    shell = Shell(request.param, run)
    shell.install()
    return shell


@pytest.mark.slow
def test_each_shell_completes_commands_jobs_tags_and_files(shell: Shell, run: CommandLine) -> None:
    job = (run.folder / "job").read_text()
    for line, expected in (
        ("tagsweep att", "attach"),
        (f"tagsweep jobs show {job[:6]}", job),
        ("tagsweep detach --tenant acme --name leg", "legacy"),
        ("tagsweep jobs list --status rej", "rejected"),
        (f"{DETACH} @reso", "@resources.txt"),
        (f"{DETACH}=@reso", "@resources.txt"),
        (f"tagsweep detach --tenant acme --name {COLON[:5]}", COLON),
    ):
        shown = shell.typed(line, expected)
        assert expected in shown, (shell.name, line)


@pytest.mark.slow
def test_the_same_completion_is_installed_once(shell: Shell) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in shell.home.rglob("*") if path.is_file()}

    before = files()
    shell.install()
    assert files() == before


def test_another_shell_is_refused_by_its_name(run: CommandLine, tmp_path: Path) -> None:
    program = f"{sys.executable} -m tagsweep.producer.cli --install-completion; exit"
    done = run._run(["env", f"HOME={tmp_path}", "sh", "-c", program], "", {})
    assert (done.status, done.out) == (2, "")
    assert "no completion for sh: run this in bash, zsh, fish." in done.err
    assert list(tmp_path.iterdir()) == []


def _offered(run: CommandLine, line: str) -> str:
    command = ["env", "_TAGSWEEP_COMPLETE=complete_zsh", f"_TYPER_COMPLETE_ARGS={line}"]
    done = run._run([*command, sys.executable, "-m", "tagsweep.producer.cli"], "", {})
    assert done.err == ""
    return done.out


def test_nothing_is_made_or_told_while_a_command_is_typed(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    assert "attach" in _offered(run, "tagsweep att")
    assert _offered(run, "tagsweep jobs show ") == _offered(run, "tagsweep jobs cancel ")
    assert list(tmp_path.iterdir()) == []
    unreachable = CommandLine(tmp_path, database_url="postgresql://u:p@127.0.0.1:1/x",
                              broker_url="redis://127.0.0.1:1/0")  # fmt: skip
    assert "Traceback" not in _offered(unreachable, "tagsweep jobs show ")


def test_a_tag_of_another_tenant_is_not_offered(run: CommandLine) -> None:
    assert "legacy" in _offered(run, "tagsweep detach --tenant acme --name ")
    assert "legacy" not in _offered(run, "tagsweep detach --tenant other --name ")


def test_the_command_alone_offers_completion(run: CommandLine) -> None:
    assert "--install-completion" in run("--help").out
    for name in COMMANDS:
        assert not CALLBACKS.keys() & {option.name for option in load(name).params}, name
