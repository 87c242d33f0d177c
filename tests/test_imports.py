"""The directions of imports that the build checks: each contract breaks where it should."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.stack import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

#: by contract: a module, and an import that it must not have
PLANTED = {
    "Whoever sends a job needs no database": ("producer/client.py", "import sqlalchemy"),
    "The doors lead to the client, never the other way": (
        "producer/spool.py",
        "import tagsweep.producer.client",
    ),
    "The producer never runs a task": (
        "producer/client.py",
        "import tagsweep.worker.tasks.sweep",
    ),
    "Inside the worker imports go one way": (
        "worker/models/sorting.py",
        "import tagsweep.worker.jobs.lifecycle",
    ),
    "Inside the command line imports go one way": (
        "producer/cli/input/options.py",
        "import tagsweep.producer.cli.output.terminal",
    ),
    "Inside the gateway imports go one way": (
        "producer/gateway/auth/callers.py",
        "import tagsweep.producer.gateway.routes.jobs",
    ),
    "Only modules that keep or read rows see tables": (
        "worker/broker/sending.py",
        "import tagsweep.worker.models.tables.tags",
    ),
    "worker.broker is the only door to Celery": ("worker/events/relay.py", "import celery"),
    "Redis has two doors: the broker's and the stream's": (
        "worker/events/relay.py",
        "import redis",
    ),
    "Tasks call named steps: no SQL, no Redis": ("worker/tasks/sweep.py", "import sqlalchemy"),
    "Messages know nothing of tables": ("worker/models/jobs/job.py", "import sqlalchemy"),
}


def _lint(tree: Path) -> str:
    """Return what import-linter says of a copy of the project."""
    program = "from importlinter.cli import lint_imports_command as lint; lint()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--config", str(tree / "pyproject.toml")],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def _copy(folder: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", folder)
    # what its links lead to, as folders
    shutil.copytree(
        ROOT / "tagsweep", folder / "tagsweep", ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a tree in which each contract is broken."""
    tree = _copy(tmp_path_factory.mktemp("planted"))
    for module, line in PLANTED.values():
        path = tree / "tagsweep" / module
        path.write_text(f"{path.read_text()}\n\n{line}\n")
    return _lint(tree)


def test_every_contract_is_kept_as_the_tree_stands(tmp_path: Path) -> None:
    said = _lint(_copy(tmp_path))
    assert f"Contracts: {len(CONTRACTS['contracts'])} kept, 0 broken." in said, said


def test_every_contract_has_an_import_that_breaks_it() -> None:
    assert {contract["name"] for contract in CONTRACTS["contracts"]} == set(PLANTED)


@pytest.mark.parametrize("contract", PLANTED)
def test_an_import_that_must_not_be_breaks_the_contract(planted: str, contract: str) -> None:
    assert f"{contract} BROKEN" in planted, planted
