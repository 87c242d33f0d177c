"""The code blocks of the documents, and a shell that runs those of one document in their order."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import ROOT

#: what a reader would type, or run
COMMANDS = {"sh", "python"}
#: what is shown; ``text`` after a block of commands is what they print
SHOWN = {"text", "json", "sql", "toml", "ini", "yaml"}
#: the documents that a reader is given; those of decisions tell of the past
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/**/*.md")]
    if "decisions" not in path.parts and path.name != "CHANGELOG.md"
)

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n+)?"
    r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=fence)$"
    r"(?:\n\n^```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_EXITS = re.compile(r"# exits with (\d+)")
#: what a background command prints once it can be used
_READY = r"Ctrl-C ends| ready\."
_END = re.compile(r"(.*?)@@ (\d+)\n", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of a document."""

    language: str
    text: str
    mark: str = ""  #: the comment before it: ``not run: why``, or ``runs until it is stopped``
    printed: str = ""  #: what it prints, by the document; an ellipsis stands for anything

    @property
    def is_run(self) -> bool:
        """Whether the suite runs it."""
        return self.language in COMMANDS and not self.mark.startswith("not run:")

    @property
    def goes_on(self) -> bool:
        """Whether it runs beside the blocks after it."""
        return self.mark == "runs until it is stopped"

    @property
    def status(self) -> int:
        """The status with which its last command exits."""
        found = _EXITS.search(self.text)
        return int(found[1]) if found else 0

    def prints(self, output: str) -> bool:
        """Return whether ``output`` is what the document shows."""
        told = ".*?".join(re.escape(some) for some in self.printed.rstrip().split("…"))
        return not self.printed or re.fullmatch(told, output.rstrip(), re.DOTALL) is not None


def read(path: Path) -> list[Block]:
    """Return the blocks of a document."""
    return [
        Block(found["language"], found["text"], found["mark"] or "", found["printed"] or "")
        for found in _FENCE.finditer(path.read_text())
    ]


class Shell:
    """Runs blocks in one Bash, in a folder of their own, as a reader would who types them.

    Args:
        folder: Where.
        replaced: What stands in the documents for a server, and where it is here.
    """

    def __init__(self, folder: Path, replaced: Mapping[str, str]) -> None:
        self._folder = folder
        self._replaced = replaced

    def run(self, blocks: Iterable[Block]) -> list[tuple[int, str]]:
        """Return the status and the output of each block; what goes on is ended with the last."""
        script = "".join(self._step(number, block) for number, block in enumerate(blocks))
        process = subprocess.Popen(
            ["/bin/bash", "-c", script],
            cwd=self._folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=110)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what goes on, too
        return [(int(status), text) for text, status in _END.findall(output)]

    def _step(self, number: int, block: Block) -> str:
        text = block.text
        for documented, here in self._replaced.items():
            text = text.replace(documented, here)
        if block.language == "python":
            (self._folder / f"block_{number}.py").write_text(text)
            text = f"python block_{number}.py\n"
        if block.goes_on:
            log = f"block_{number}.log"
            text = (
                f"( {text.rstrip()} ) >{log} 2>&1 &\n"
                f"until grep -sqE '{_READY}' {log}; do kill -0 $! || break; sleep 0.1; done\n"
                f"cat {log}; KEY=$(grep -oE 'ts_[A-Za-z0-9_-]+' {log} | head -n 1)\n"
                "kill -0 $!\n"
            )
        return f'{text}echo "@@ $?"\n'


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAGSWEEP_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT)}
