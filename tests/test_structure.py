"""The bounds on the structure that the build checks: each is exceeded by what should exceed it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT


def _function(lines: int, number: int = 0) -> str:
    """Return a function of so many lines."""
    return f"def step_{number}():\n" + "    pass\n" * (lines - 1)


def _imports(*names: str) -> str:
    return "".join(f"import tagsweep.worker.{name}\n" for name in names)


#: by figure: files that make it exceed its bound, in a small tree that is within all of them
PLANTED = {
    "modules in the fullest folder": {f"worker/jobs/m{n}.py": "" for n in range(17)},
    "modules flat in worker/": {f"worker/m{n}.py": "" for n in range(7)},
    "lines of a function, p90": {
        f"producer/m{n}.py": "".join(_function(16, number) for number in range(9)) for n in range(3)
    },
    "lines of a function, largest": {"producer/m.py": _function(41)},
    "lines of a file, largest": {"producer/m.py": "\n" * 251},
    "modules that one imports, p90": {
        f"producer/m{n}.py": _imports(*(f"jobs.a{m}" for m in range(9))) for n in range(9)
    },
    "modules in a circle of imports": {
        "worker/jobs/a0.py": "def lazy():\n    import tagsweep.worker.jobs.a1\n",
        "worker/jobs/a1.py": "import tagsweep.worker.jobs.a0\n",
    },
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree within every bound, each where it can just be."""
    functions = "".join(_function(15, number) for number in range(5))
    files = {f"worker/jobs/a{n}.py": functions for n in range(9)}
    files |= {f"worker/m{n}.py": _imports(*(f"jobs.a{m}" for m in range(8))) for n in range(6)}
    files |= {"producer/long.py": _function(40) + "\n" * 210}
    files |= {"worker/migrations/history.py": "\n" * 400}
    _write(tmp_path, files)
    return tmp_path


def _write(tree: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)


def _measure(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "structure.py"), str(tree)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_tree_on_its_bounds_passes(tree: Path) -> None:
    done = _measure(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(PLANTED)


@pytest.mark.parametrize("figure", PLANTED)
def test_a_fault_exceeds_the_bound_that_is_meant_for_it(tree: Path, figure: str) -> None:
    _write(tree, PLANTED[figure])
    done = _measure(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    (over,) = [line for line in done.stdout.splitlines() if line.startswith("OVER")]
    assert over.startswith(f"OVER {figure} "), done.stdout
