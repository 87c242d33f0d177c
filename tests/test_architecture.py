"""docs/architecture.md is as the code is: the tree, the layers, and the walk of one detach."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, environment

pytestmark = pytest.mark.default_configuration

DOCUMENT = ROOT / "docs" / "architecture.md"
#: named in the walk although this one, on the embedded default, does not go there
ELSEWHERE = {
    "producer/spool",
    "worker/events/sinks",
}


def _program(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / name), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tree_and_the_layers_are_those_of_the_code() -> None:
    tree, _, layers = _program("tree.py").partition("\n\n")
    text = DOCUMENT.read_text()
    advice = "Run `python .ci/tree.py --write`."
    assert tree in text, advice
    assert layers.strip() in text, advice


def test_a_module_that_is_new_changes_the_tree(tmp_path: Path) -> None:
    for name in ("worker", "producer", "pyproject.toml"):
        source, copy = ROOT / name, tmp_path / name
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    before = _program("tree.py", str(tmp_path))
    (tmp_path / "worker" / "jobs" / "brand_new.py").touch()
    assert "brand_new" not in before
    assert "brand_new" in _program("tree.py", str(tmp_path))


@pytest.mark.slow
def test_the_walk_goes_through_the_modules_that_it_names_and_is_no_wider() -> None:
    text = DOCUMENT.read_text()
    walk = text.partition("## One detach")[2].partition("Any other job")[0]
    named = set(re.findall(r"`((?:worker|producer)/[\w/]+)\.py`", walk))
    lines = _program("walk.py").splitlines()
    stays = {line.split()[1]: int(line.split()[0]) for line in lines[:-1]}
    assert named - stays.keys() <= ELSEWHERE
    (wide,) = re.findall(r"(\d+) modules in all", walk)
    assert len(stays) <= int(wide)
