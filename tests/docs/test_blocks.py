"""Every block of commands in the documents does what it shows, or says why it is not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.docs.blocks import COMMANDS, DOCUMENTS, SHOWN, Shell
from tests.servers.processes import free_port
from tests.support.stack import ROOT

pytestmark = pytest.mark.default_configuration

#: how the documents name servers
DATABASE, BROKER = "postgresql://tagsweep@db/tagsweep", "redis://redis:6379/0"
#: the beginning of a line that a reader would type
TYPED = re.compile(
    r"^\s*(\$ |sudo |tagsweep [a-z]|make\b|pip |uv |python3? |celery |curl |docker |systemctl )"
)
MARKS = re.compile(r"not run: \S.{10,}|runs until it is stopped")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


RUN = [path for path in DOCUMENTS if any(block.is_run for block in blocks.read(path))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_every_block_says_what_it_is_and_every_block_of_commands_is_run_or_says_why_not(
    path: Path,
) -> None:
    assert path.read_text().count("\n```") % 2 == 0
    for block in blocks.read(path):
        assert block.language in COMMANDS | SHOWN, block.text
        if block.language in COMMANDS:
            assert not block.mark or MARKS.fullmatch(block.mark), block.mark
        else:
            assert not [line for line in block.text.splitlines() if TYPED.match(line)], block.text


@pytest.fixture
def shell(tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    """A shell in an empty folder, where the servers of the documents are those of the tests."""
    port = str(free_port())
    replaced = {
        "tagsweep up": f"tagsweep up --port {port}",
        "tagsweep serve": f"tagsweep serve --port {free_port()}",
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "ts_…": "$KEY",
    }
    return Shell(tmp_path, replaced | _servers(request))


def _servers(request: pytest.FixtureRequest) -> dict[str, str]:
    path: Path = request.getfixturevalue("path")
    text = "".join(block.text for block in blocks.read(path) if block.is_run)
    servers = {}
    if DATABASE in text:
        servers[DATABASE] = request.getfixturevalue("postgres_url")
    if BROKER in text:
        servers[BROKER] = request.getfixturevalue("redis_url")
    return servers


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=_name)
def test_the_blocks_of_a_document_do_what_it_shows(path: Path, shell: Shell) -> None:
    run = [block for block in blocks.read(path) if block.is_run]
    ends = shell.run(run)
    for block, (status, output) in zip(run, ends, strict=False):
        assert status == block.status, f"{block.text}printed:\n{output}"
        assert block.prints(output), f"{block.text}printed:\n{output}"
    assert len(ends) == len(run), f"It stopped in:\n{run[len(ends)].text}"
