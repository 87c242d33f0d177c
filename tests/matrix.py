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

from tests.support.configurations import ALL, VARIABLE, Configuration

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
    arguments = _core() if asked.core else ["--numprocesses=2", "--dist=worksteal"]
    # the core is a single process each, which waits for its servers most of the time
    with ThreadPoolExecutor(2 if asked.core else 1) as pool:
        passed = list(pool.map(partial(_passes, arguments), asked.names or others))
    return 0 if all(passed) else 1


def _core() -> list[str]:
    """Return pytest's arguments for the core: only files that have some of it are read."""
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    return ["-m", "core", *(str(file) for file in files if "pytest.mark.core" in file.read_text())]


def _passes(arguments: list[str], name: str) -> bool:
    started = time.monotonic()
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
    told = f"{name}: {wanting or lines[-1].strip('= ')} ({time.monotonic() - started:.0f} s)"
    print(told if passes else f"{done.stdout}\n{told}", flush=True)  # noqa: T201  # its output
    return passes


if __name__ == "__main__":
    sys.exit(main())
