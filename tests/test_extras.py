"""The wheel with each of its extras in a clean environment: what works, and what is named."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tagsweep.producer.cli.main import COMMANDS
from tagsweep.worker import extras
from tests.support.stack import ROOT
from tests.support.venvs import Venv, distributions
from tests.test_packaging import build

pytestmark = [pytest.mark.default_configuration, pytest.mark.slow]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: commands that clients of a gateway can use with the extra ``cli`` alone
CLIENTS = {
    *("detach", "attach", "merge", "delete", "set", "jobs", "tags"),
    *("webhooks", "audit", "events", "config", "doctor"),
}
SERVERS = {"serve", "up"}
STORE = {*COMMANDS} - CLIENTS - SERVERS
GATEWAY = {"url": "http://127.0.0.1:1", "api_key": "ts_x"}
ID = "5e0c6a5c-6a56-4c8e-9e4c-0e9d1c1b2a3f"
DETACH = ["detach", "--tenant", "acme", "--name", "legacy", "--tables", ID]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Callable[[str], Venv]:
    """Make, once each, the environment with an extra."""
    made: dict[str, Venv] = {}

    def make(extra: str) -> Venv:
        if extra not in made:
            folder = tmp_path_factory.mktemp(f"venv-{extra or 'none'}") / "venv"
            made[extra] = Venv.make(folder, wheel, extra)
        return made[extra]

    return make


def _names(error: str, extra: str) -> bool:
    line = error.splitlines()[-1]
    assert "Traceback" not in error
    return line.startswith("tagsweep: ") and line.endswith(f": install tagsweep[{extra}].")


def test_without_an_extra_the_command_names_the_one_that_it_needs(
    venv: Callable[[str], Venv],
) -> None:
    done = venv("").run("tagsweep", "jobs", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert _names(done.stderr, "cli")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_works_with_its_extra_and_names_the_one_that_it_lacks(
    venv: Callable[[str], Venv], command: str
) -> None:
    lacking = {"cli": STORE - {"demo"} | SERVERS, "worker": SERVERS}
    for extra, lacks in lacking.items():
        done = venv(extra).run("tagsweep", command, "--help")
        if command in lacks:
            assert (done.returncode, done.stdout) == (2, "")
            assert _names(done.stderr, "gateway" if command in SERVERS else "worker")
        else:
            assert done.returncode == 0, done.stderr
            assert "Usage: tagsweep" in done.stdout


@pytest.mark.parametrize(
    "extra, command, needed",
    [
        ("cli", DETACH, "worker"),
        ("cli", ["jobs", "list"], "worker"),
        ("cli", ["events"], "worker"),
        ("cli", ["doctor"], "worker"),
        ("cli", ["demo"], "worker"),
        ("worker", ["up"], "gateway"),
        ("worker", ["serve"], "gateway"),
    ],
)
def test_what_a_command_needs_only_when_it_runs_is_named_too(
    venv: Callable[[str], Venv], extra: str, command: list[str], needed: str
) -> None:
    done = venv(extra).run("tagsweep", *command)
    assert done.returncode == 2
    assert _names(done.stderr, needed)


@pytest.mark.parametrize(
    "command",
    [
        DETACH,
        ["merge", "--tenant", "acme", "--name", "legacy", "--into", "old"],
        ["set", "--tenant", "acme", "--workspace", "w-1", "--tag", "env=dev"],
        ["jobs", "list"],
        ["tags", "list", "--tenant", "acme"],
        ["webhooks", "list", "--tenant", "acme"],
        ["audit"],
        ["events"],
        ["doctor"],
    ],
)
def test_a_client_of_a_gateway_needs_the_extra_cli_alone(
    venv: Callable[[str], Venv], command: list[str]
) -> None:
    done = venv("cli").run("tagsweep", *command, **GATEWAY)
    assert done.returncode == 1
    assert "The gateway at http://127.0.0.1:1 does not answer" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_extra_worker_does_a_job(venv: Callable[[str], Venv]) -> None:
    done = venv("worker").run("tagsweep", *DETACH)
    assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout


@pytest.mark.parametrize("program", ["from tagsweep import TagSweep; TagSweep"])
def test_who_sends_jobs_from_python_needs_no_extra(
    venv: Callable[[str], Venv], program: str
) -> None:
    done = venv("").run("python", "-c", program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module, extra",
    [
        ("tagsweep.transactional", "worker"),
        ("tagsweep.celery", "worker"),
        ("tagsweep.contrib.django", "django"),
    ],
)
def test_an_import_that_needs_an_extra_names_it(
    venv: Callable[[str], Venv], module: str, extra: str
) -> None:
    done = venv("").run("python", "-c", f"import {module}")
    assert done.returncode != 0
    assert done.stderr.rstrip().endswith(f"install tagsweep[{extra}].")


def test_every_module_that_comes_with_an_extra_is_known_by_it() -> None:
    """All third-party imports are of the base or in the table, under the extra that has them."""
    known = {*extras.EXTRAS, *_base()}
    imported = {
        module
        for folder in ("worker", "producer", "tagsweep")
        for path in (ROOT / folder).glob("**/*.py" if folder != "tagsweep" else "*.py")
        for module in _imported(path)
    }
    strange = imported - known - {"tagsweep", "worker", "producer"} - sys.stdlib_module_names
    assert not strange
    requirements = PROJECT["optional-dependencies"]
    for module, extra in extras.EXTRAS.items():
        named = {re.split(r"[\[>=<,]", text)[0].replace("-", "_") for text in requirements[extra]}
        assert module in named | {"h11", "starlette"}, module  # these two come with the others


def test_a_client_has_neither_database_drivers_nor_numpy(wheel: Path) -> None:
    unwanted = {"sqlalchemy", "psycopg", "psycopg-binary", "alembic", "numpy", "fastapi"}
    assert not distributions(wheel, "cli") & unwanted
    assert unwanted <= distributions(wheel, "gateway")


def _base() -> set[str]:
    names = {re.split(r"[\[>=<,]", text)[0].replace("-", "_") for text in PROJECT["dependencies"]}
    return names | {"kombu", "billiard", "amqp", "pydantic_core"}  # what these are made of


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}
