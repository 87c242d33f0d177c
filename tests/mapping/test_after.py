"""After a job on own tables: the lines of docs/own-tables.md index again what has changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.servers import Postgres, Redis
from tests.servers.processes import kill_tree, spawn
from tests.support.gateway import Gateway, serving
from tests.support.own_tables import TAGGIT, TAGGIT_MAP, TENANT, OwnTables
from tests.support.stack import ROOT, ServerStack, environment, eventually

pytestmark = [pytest.mark.slow, pytest.mark.default_configuration]

#: what the lines of the document need around them
AROUND = """
import json
from pathlib import Path
import httpx
from celery import Celery
app = Celery(broker={broker!r}, backend={results!r})
GATEWAY, KEY = {gateway!r}, {key!r}
def reindex(resource):
    with Path({indexed!r}).open("a") as indexed:
        indexed.write(f"{{resource}}\\n")
"""


def _lines(folder: Path, stack: ServerStack, gateway: Gateway) -> tuple[str, str]:
    """Return the document's task with what is around it, and the line that sends the job."""
    (block,) = (
        one for one in blocks.read(ROOT / "docs" / "own-tables.md") if "after.s()" in one.text
    )
    assert len(block.text.splitlines()) <= 15
    task, _, send = block.text.partition("app.send_task")
    around = AROUND.format(
        broker=stack.broker_url,
        results=stack.backend_url,
        gateway=gateway.url,
        key=gateway.credential(TENANT).key,
        indexed=str(folder / "indexed"),
    )
    return around + task, f"app.send_task{send}"


@pytest.fixture
def stack(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis, tmp_path: Path
) -> Iterator[ServerStack]:
    """A taggit-like application beside the store, and a worker of ours."""
    (tmp_path / "tags.toml").write_text(TAGGIT_MAP)
    url = postgres_server.create_database(postgres_template)
    found = ServerStack("redis", tmp_path, url, redis_server.create_database())
    found.settings["map"] = tmp_path / "tags.toml"
    with closing(found):
        OwnTables(found.store).create(TAGGIT)
        found.start_worker()
        found.wait()
        yield found
    postgres_server.drop_database(url)


def test_celery_indexes_what_the_receipt_says(stack: ServerStack, tmp_path: Path) -> None:
    own = OwnTables(stack.store)
    own.tag("old", range(1, 31))
    with serving(stack) as gateway:
        program, send = _lines(tmp_path, stack, gateway)
        (tmp_path / "shop.py").write_text(program)
        path = {**environment(), "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-P", "solo"]
        worker = spawn(command, folder=tmp_path, environment=path)
        try:
            ids = list(range(11, 40))
            job = {"tenant": TENANT, "names": ["old"], "resources": {"articles": ids}}
            (tmp_path / "send.py").write_text(f"from shop import *\njob = {job!r}\n{send}")
            subprocess.run([sys.executable, "send.py"], cwd=tmp_path, env=path, check=True)
            indexed = tmp_path / "indexed"
            eventually(lambda: indexed.exists() and len(indexed.read_text().split()) >= 20)
        finally:
            kill_tree(worker)
    assert sorted(map(int, indexed.read_text().split())) == list(range(11, 31))
