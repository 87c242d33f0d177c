"""The site of the documents is whole: every link leads somewhere, and nothing is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import DOCUMENTS
from tests.support.stack import ROOT, environment

pytestmark = [pytest.mark.default_configuration, pytest.mark.slow]

#: part of another page
PARTS = {"docs/benchmarks/notes.md"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` does; any warning, as of a broken link, fails it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    command += ["--doctree-dir", str(folder / "doctrees"), "--conf-dir", str(ROOT / ".ci" / "site")]
    done = subprocess.run(
        [*command, str(ROOT), str(folder / "html")],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_document_is_a_page_of_the_menu(site: Path) -> None:
    start = (site / "docs" / "README.html").read_text()
    for path in DOCUMENTS:
        name = str(path.relative_to(ROOT))
        if name not in PARTS:
            assert (site / name).with_suffix(".html").exists(), name
            assert (
                re.search(rf'href="[^"]*\b{re.escape(path.stem)}\.html"', start)
                or path.stem == "README"
            )


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|iframe|link)[^>]+(?:src|href)="([^"]+)"', page.read_text()
        )
        assert not [url for url in loaded if url.startswith(("http:", "https:", "//"))], page
