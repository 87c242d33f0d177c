"""Run the suite in the other configurations: ``python -m tests.matrix [--core] [NAME ...]``.

One line for each; what a failing one printed is shown. A configuration whose server is missing is
told in its line (in CI it fails).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.support.configuration import Configuration
from tests.support.configurations import ALL, VARIABLE, Mapped

NOTHING_RAN = 5  #: pytest's exit status where every test was left out


def main() -> int:
    """Run what the arguments ask for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    others = [name for name in ALL if name != Configuration.name]
    parser.add_argument("--core", action="store_true", help="the marked core alone")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(others)}")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(others):
        parser.error(f"there is no {', '.join(sorted(unknown))}: {', '.join(others)}")
    # the core is a single process each, which waits for its servers most of the time
    with ThreadPoolExecutor(2 if asked.core else 1) as pool:
        passed = list(pool.map(partial(_passes, core=asked.core), asked.names or others))
    return 0 if all(passed) else 1


def _core(name: str) -> list[str]:
    """Return pytest's arguments for the core: only files that have some of it are read."""
    markers = ["core", "mapped_core"] if name == Mapped.name else ["core"]
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    marked = [str(file) for file in files if _has(file.read_text(), markers)]
    return ["-m", " or ".join(markers), *marked]


def _has(text: str, markers: list[str]) -> bool:
    return any(f"pytest.mark.{marker}" in text for marker in markers)


def _passes(name: str, *, core: bool) -> bool:
    started = time.monotonic()
    arguments = _core(name) if core else ["--numprocesses=2", "--dist=worksteal"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", *arguments],
        env={**os.environ, VARIABLE: name},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines() or [""]
    passes = done.returncode in (0, NOTHING_RAN)
    wanting = next((line for line in lines if line.startswith("Tests not run")), "")
    left_out = "".join(f". {line}" for line in lines if line.startswith("Left out: "))
    told = f"{name}: {wanting or lines[-1].strip('= ')}{left_out}"
    told += f" ({time.monotonic() - started:.0f} s)"
    print(told if passes else f"{done.stdout}\n{told}", flush=True)  # noqa: T201  # its output
    return passes


if __name__ == "__main__":
    sys.exit(main())
