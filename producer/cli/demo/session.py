"""A shell session to read: comments, commands as one would type them, and their output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import typer

import tagsweep

#: ``tagsweep``, which ends when the process in its first argument does
COMMAND = (
    "import sys; from tagsweep.worker.process import parent_watch; "
    "parent_watch.begin(int(sys.argv.pop(1))); from tagsweep.producer.cli import main; main()"
)
PACKAGES = Path(tagsweep.__file__).resolve().parents[1]


class Session:
    """Runs ``tagsweep`` commands in a folder, on the embedded default whatever the environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("TAGSWEEP_")
        }
        paths = [str(PACKAGES), kept.get("PYTHONPATH", "")]
        # nor a profile, which may name a gateway
        ours = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "XDG_CONFIG_HOME": str(folder)}
        self._environment = {**kept, **ours}
        self.failures: list[str] = []

    def remark(self, *lines: str) -> None:
        """Print comment lines, after a blank one."""
        typer.echo()
        for line in lines:
            typer.secho(f"# {line}", dim=True)

    def run(self, *arguments: str) -> None:
        """Show a command and run it, output included; it is expected to succeed."""
        self._show(arguments)
        status = self._start(arguments, stdout=None).returncode
        if status:
            self.failures.append(f"{self._line(arguments)} ended with status {status}")

    def read(self, *arguments: str) -> str:
        """Show a command and return what it prints."""
        self._show(arguments)
        return self._start(arguments, stdout=subprocess.PIPE).stdout or ""

    def _show(self, arguments: tuple[str, ...]) -> None:
        typer.secho(f"$ {self._line(arguments)}", bold=True)
        sys.stdout.flush()

    def _line(self, arguments: tuple[str, ...]) -> str:
        return shlex.join(["tagsweep", *arguments])

    def _start(
        self, arguments: tuple[str, ...], stdout: int | None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "-c", COMMAND, str(os.getpid()), *arguments],
            cwd=self._folder,
            env=self._environment,
            stdout=stdout,
            encoding="utf-8",
            check=False,
        )
