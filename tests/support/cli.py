"""The command `tagsweep`, run as a process of its own in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from tests.support import configurations

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from tagsweep.producer.cli import main; main()"]
SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def ids(count: int, of: str = "tables") -> list[str]:
    """Return ``count`` ids of resources, the same each time."""
    return [str(uuid5(SPACE, f"{of} {number}")) for number in range(count)]


def _variables(settings: Mapping[str, str]) -> dict[str, str]:
    given = configurations.active().settings(settings)
    return {f"TAGSWEEP_{name.upper()}": str(value) for name, value in given.items()}


@dataclass
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on its stdout."""
        return json.loads(self.out)


class CommandLine:
    """Runs `tagsweep` in ``folder``; its store is a file there unless ``settings`` name another."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.store = folder / "tagsweep.db"
        self.settings = settings
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TAGSWEEP_")}
        # no profile of whoever runs the tests
        ours = {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(folder / ".config")}
        self._environment = {**kept, **_variables(settings), **ours}

    def __call__(self, *arguments: object, stdin: str = "", **settings: str) -> Ended:
        """Run a command to its end."""
        given = configurations.active().tables.arguments([*map(str, arguments)])
        return self._run([*COMMAND, *given], stdin, settings)

    def python(self, program: str, **settings: str) -> Ended:
        """Run a Python program in the command's own surroundings."""
        return self._run([sys.executable, "-c", program], "", settings)

    def _run(self, command: list[str], stdin: str, settings: Mapping[str, str]) -> Ended:
        given = _variables(settings)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self._environment, **given},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=110,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def started(
        self, *arguments: object, **settings: str
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start a command, and see to it that it does not outlive the block."""
        return self._started([*COMMAND, *map(str, arguments)], settings)

    def started_python(self, program: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start a Python program in the command's own surroundings, as ``started`` does."""
        return self._started([sys.executable, "-c", program], {})

    @contextmanager
    def _started(
        self, command: list[str], settings: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        given = _variables(settings)
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self._environment, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            with process:
                try:
                    yield process
                finally:
                    process.send_signal(signal.SIGKILL)
        finally:
            process.wait()

    def load(self, **lists: list[str]) -> None:
        """Give the tag `legacy` of `acme` to the resources in ``lists``."""
        line = json.dumps({"tenant": "acme", "name": "legacy", **lists})
        assert self("load", "-", stdin=line + "\n").status == 0

    def file(self, name: str, lines: list[str]) -> str:
        """Write a file of ``lines`` into the folder; return how an option names it."""
        (self.folder / name).write_text("\n".join(lines) + "\n")
        return f"@{name}"

    def events(self) -> list[dict[str, Any]]:
        """Return the completion events in the feed."""
        return [json.loads(line) for line in self("events").out.splitlines()]

    def count(self, table: str, where: str = "true") -> int:
        """Return how many rows of a table the embedded store has; 0 where there is no store."""
        if not self.store.exists():
            return 0
        connection = sqlite3.connect(self.store)
        try:
            query = f"SELECT count(*) FROM {table} WHERE {where}"
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:  # its schema is not there yet
            return 0
        finally:
            connection.close()


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait till ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
