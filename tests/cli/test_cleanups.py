"""The worked example of docs/cleanups.md, typed as it stands there, prints what stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.stack import ROOT

PAGE = ROOT / "docs" / "cleanups.md"
#: a block of commands, and the block of what they print where one follows
STEP = re.compile(r"^```sh\n(.*?)^```\n(?:\s*^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"# exits with (\d+)")


@dataclass(frozen=True)
class Step:
    """Some commands, and what is said of them."""

    commands: str
    printed: str

    @property
    def status(self) -> int:
        """With what the last of them exits."""
        found = EXITS.search(self.commands)
        return int(found[1]) if found else 0

    def is_told_by(self, output: str) -> bool:
        """Tell whether the page shows this output; an ellipsis there stands for anything."""
        told = ".*?".join(re.escape(some) for some in self.printed.split("…"))
        return not self.printed or re.fullmatch(told, output, re.DOTALL) is not None


@pytest.mark.slow
def test_the_page_shows_what_its_commands_do(tmp_path: Path) -> None:
    steps = [Step(*match) for match in STEP.findall(PAGE.read_text())]
    assert len(steps) >= 4
    script = "".join(f"{step.commands}\necho @@$?\n" for step in steps)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAGSWEEP_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        env={**kept, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    ends = re.findall(r"(.*?)@@(\d+)\n", done.stdout, re.DOTALL)
    assert [int(status) for _, status in ends] == [step.status for step in steps], done.stdout
    for step, (output, _) in zip(steps, ends, strict=True):
        assert step.is_told_by(output), f"{step.commands}printed:\n{output}"
