"""The man pages are what the help is, and every reader of man pages takes them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tagsweep.producer.cli.main import COMMANDS
from tests.support.stack import ROOT, environment

pytestmark = pytest.mark.default_configuration

PAGES = ROOT / "docs" / "man"
NAMES = ["tagsweep", *(f"tagsweep-{name}" for name in COMMANDS)]
#: programs that show a page; each is tried that is installed
READERS = {
    "man": ["man", "--warnings", "-l"],
    "groff": ["groff", "-man", "-Tutf8", "-ww", "-z"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "error"],
}


@pytest.mark.slow
def test_the_pages_are_what_the_help_says(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / ".ci" / "man.py"), "--write", str(tmp_path)]
    subprocess.run(command, env=environment(), check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "docs" / "man").iterdir()}
    assert {path.name: path.read_text() for path in PAGES.iterdir()} == made, "Run `make man`."


def test_each_command_has_a_page_that_the_main_page_names() -> None:
    assert {path.stem for path in PAGES.iterdir()} == set(NAMES)
    main = (PAGES / "tagsweep.1").read_text().replace("\\-", "-")
    assert not [name for name in NAMES[1:] if f"\\fB{name}\\fR(1)" not in main]


def test_every_page_explains_all_that_it_names() -> None:
    for path in PAGES.iterdir():
        lines = path.read_text().splitlines()
        tags = [number for number, line in enumerate(lines) if line == ".TP"]
        assert tags, path.name
        assert not [lines[tag + 1] for tag in tags if not lines[tag + 2].strip(" .")], path.name


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_of_man_pages_has_nothing_to_object_to(reader: str) -> None:
    if shutil.which(reader) is None:
        pytest.skip(f"{reader} is not installed")
    for name in NAMES:
        page = str(PAGES / f"{name}.1")
        done = subprocess.run(
            [*READERS[reader], page], env={**environment(), "MANPAGER": "cat", "LC_ALL": "C.UTF-8"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), name
        assert reader != "man" or f"{name} - " in done.stdout
