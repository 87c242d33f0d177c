"""Everything is imported as ``tagsweep``; in a checkout two links lead to the folders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import ROOT, Worker, environment

#: what the checkout's folders would be called if they were imported without ``tagsweep``
BARE = {"worker", "producer"}
CODE = ("tagsweep", "worker", "producer", "tests", "benchmarks", ".ci")
_DOTTED = re.compile(r"(worker|producer)(\.\w+)+(:\w+)?")


def _imported(text: str) -> Iterator[str]:
    """Yield every module that a file imports, and every string that is a module's dotted name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from [node.value] if _DOTTED.fullmatch(node.value) else []


def _run(program: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def _modules_after(program: str) -> set[str]:
    """Return the modules that a fresh process has loaded after ``program``."""
    done = _run(f"{program}\nimport sys\nprint(*sys.modules)")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.slow
def test_no_file_imports_a_folder_by_its_bare_name() -> None:
    files = [path for folder in CODE for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in _imported(path.read_text())
        if name.split(".")[0] in BARE
    ]
    assert wrong == [f"{Path(__file__).relative_to(ROOT)}: worker.celery"]  # ours, just below


@pytest.mark.slow
def test_the_worker_of_a_checkout_loads_no_module_twice() -> None:
    program = "import importlib\nimportlib.import_module('worker.celery')\n"
    program += "from tagsweep.celery import app\napp.loader.import_default_modules()"
    loaded = _modules_after(program)
    assert "tagsweep.worker.tasks.sweep" in loaded
    assert {name for name in loaded if name.split(".")[0] in BARE} == {"worker", "worker.celery"}


def test_importing_tagsweep_loads_neither_celery_nor_a_database_driver() -> None:
    loaded = _modules_after("import tagsweep")
    assert loaded.isdisjoint({"celery", "kombu", "sqlalchemy", "psycopg", "sqlite3", "pydantic"})
    loaded = _modules_after("from tagsweep import TagSweep, JobHandle")
    assert "celery" in loaded
    assert loaded.isdisjoint({"sqlalchemy", "psycopg", "sqlite3", "alembic", "numpy"})


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("name", ["tagsweep", "worker"])
def test_in_a_checkout_both_names_start_the_same_worker(
    redis_url: str, tmp_path: Path, name: str
) -> None:
    url = f"sqlite:///{tmp_path / 'tagsweep.db'}"
    settings = {"database_url": url, "broker_url": redis_url}
    worker = Worker(tmp_path, settings, app=name)
    try:
        worker.wait_until_ready()
        assert "tags.detach" in worker.log
    finally:
        worker.kill()


@pytest.fixture
def linkless(tmp_path: Path) -> Path:
    """A checkout as Git makes it where symbolic links are off: each is a file with its target."""
    package = tmp_path / "tagsweep"
    package.mkdir()
    for path in (ROOT / "tagsweep").glob("*.py"):
        (package / path.name).write_text(path.read_text())
    for name in BARE:
        (package / name).write_text(f"../{name}")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "from tagsweep import TagSweep"],
        ["-c", "from tagsweep.producer.cli import main"],
        ["-m", "celery", "-A", "tagsweep", "worker"],
        ["-m", "tagsweep.producer.cli"],
    ],
)
def test_a_checkout_without_links_says_so_in_one_line(linkless: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=linkless,
        env={**environment(), "PYTHONPATH": str(linkless)},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("tagsweep/worker is not a folder: this checkout has no symbolic links.")
    assert done.returncode == 1
