"""The processes that are measured: workers, and whoever sends them work."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.servers.processes import kill_tree, remove_at_the_end, spawn

ROOT = Path(__file__).resolve().parents[1]
#: nothing measured here takes longer on a machine on which it makes sense
PATIENCE_S = 1800


class Failed(RuntimeError):
    """A process that is measured did not do its work; carries the end of what it wrote."""


def environment(**settings: object) -> dict[str, str]:
    """Return the environment of a process that is measured: these settings and no others."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ours = {f"TAGSWEEP_{name.upper()}": str(value) for name, value in settings.items()}
    bench = {name: os.environ[name] for name in os.environ if name.startswith("BENCH_")}
    return {**kept, **bench, **ours, "PYTHONPATH": str(ROOT)}


def finish(arguments: Sequence[str], **settings: object) -> str:
    """Run a Python program to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that is gone at the end, however that comes."""
    with tempfile.TemporaryDirectory(prefix="tagsweep-bench-") as name:
        remove_at_the_end(Path(name))
        yield Path(name)


class Worker:
    """A process that works in the background, with all its children."""

    def __init__(
        self, arguments: Sequence[str], home: Path, settings: Mapping[str, object]
    ) -> None:
        self._log = home / "log"
        self._process = spawn(
            [sys.executable, *arguments], folder=home, environment=environment(**settings)
        )

    def family(self) -> list[psutil.Process]:
        """Return the process and its children."""
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def check(self) -> None:
        """Raise Failed where the process has ended."""
        if self.ended:
            raise Failed(f"A worker ended:\n{self._log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """Kill it and its children."""
        kill_tree(self._process)


@contextmanager
def workers(
    commands: Sequence[Sequence[str]], settings: Mapping[str, object]
) -> Iterator[list[Worker]]:
    """Run these Python programs in the background during the block."""
    with folder() as home, ExitStack() as stack:
        running = []
        for at, arguments in enumerate(commands):
            own = home / str(at)
            own.mkdir()
            running.append(Worker(arguments, own, settings))
            stack.callback(running[-1].kill)
        yield running


class Sender:
    """A process that answers each line with one line of JSON."""

    def __init__(self, arguments: Sequence[str], settings: Mapping[str, object]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, order: str, **details: object) -> dict[str, Any]:
        """Give one order and return the answer."""
        orders, answers = self._process.stdin, self._process.stdout
        if orders is None or answers is None:
            raise Failed("no pipes to the sender")
        orders.write(json.dumps({"do": order, **details}) + "\n")
        orders.flush()
        line = answers.readline()
        if not line:
            self._errors.seek(0)
            raise Failed(f"The sender ended:\n{self._errors.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


@contextmanager
def sender(arguments: Sequence[str], settings: Mapping[str, object]) -> Iterator[Sender]:
    """Run a sender during the block."""
    process = Sender(arguments, settings)
    try:
        yield process
    finally:
        process.close()


def listens(port: int) -> bool:
    """Tell whether anybody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def peak_mb(process: psutil.Process) -> float:
    """Return the most memory that a process has ever had resident."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failed("this system does not tell how much memory a process has had")


def processor_s(process: psutil.Process) -> float:
    """Return how many processor seconds a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def postgres_s(connection: psycopg.Connection) -> float:
    """Return how many processor seconds all processes of a server have used, ended ones too."""
    row = connection.execute("SHOW data_directory").fetchone()
    folder = Path(row[0] if row else "")
    server = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    ended = server.cpu_times()
    alive = sum(processor_s(one) for one in server.children())
    return alive + ended.children_user + ended.children_system
