"""The benchmarks still run, at a size that tells nothing about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.stack import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

PARTS = ["one-tag", "small", "kinds", "sqlite", "own-tables", "merge"]
TINY = ["--runs", "1", "--links", "50000", "--ids", "20000", "--jobs", "50"]


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a tiny run has written."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "benchmarks", *PARTS, *TINY]
    options = ["--only", "limit,ours,tuned-dramatiq", "--docs", str(folder)]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_a_part_measures_whoever_was_asked_for(docs: Path) -> None:
    parts = json.loads((docs / "benchmarks" / "results.json").read_text())["parts"]
    assert list(parts) == PARTS
    assert list(parts["one-tag"]["raw"]) == ["limit", "ours", "tuned-dramatiq"]
    assert all(len(runs) == 1 for runs in parts["one-tag"]["raw"].values())


def test_the_page_has_each_figure_and_the_command_that_measured_it(docs: Path) -> None:
    page = (docs / "benchmarks.md").read_text()
    assert "tagsweep's time, of the limit's" in page
    assert '`make bench ARGS="small --runs 1 --links 50000 --ids 20000 --jobs 50' in page
    assert str(ROOT) not in page


def test_the_chart_has_a_bar_for_each_way(docs: Path) -> None:
    chart = ET.parse(docs / "benchmarks.svg")  # noqa: S314  # it is our own
    bars = chart.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 3 + 2
