"""The reference is what the code is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, environment

pytestmark = pytest.mark.default_configuration


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference made from the code as it is now."""
    folder = tmp_path_factory.mktemp("reference")
    command = [sys.executable, str(ROOT / ".ci" / "reference.py"), "--write", str(folder)]
    subprocess.run(command, env=environment(), check=True)
    return folder / "docs" / "reference"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cli.md", "http.md", "events.md"])
def test_the_page_is_what_the_code_says(made: Path, name: str) -> None:
    committed = (ROOT / "docs" / "reference" / name).read_text()
    assert committed == (made / name).read_text(), "Run `python .ci/reference.py --write`."


@pytest.mark.slow
def test_every_command_route_and_member_of_an_event_is_explained(made: Path) -> None:
    for path in made.iterdir():
        rows = [line for line in path.read_text().splitlines() if line.startswith("| `--")]
        assert not [row for row in rows if row.endswith("|  |")], path.name
    assert not [
        line
        for line in (made / "events.md").read_text().splitlines()
        if line.startswith("| `") and line.endswith("|  |")
    ]
