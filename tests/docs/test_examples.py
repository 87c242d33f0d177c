"""The examples work as they stand."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import yaml

from tagsweep.producer.cli.main import COMMANDS
from tests.conftest import wanting
from tests.servers import ServerMissing
from tests.servers.processes import free_port, kill_tree, spawn, wait_until
from tests.support.gateway import Gateway
from tests.support.stack import ROOT, ServerStack, environment, eventually
from tests.support.stores import new_ids

pytestmark = [pytest.mark.integration, pytest.mark.default_configuration]

EXAMPLES = ROOT / "examples"
UNITS = sorted((EXAMPLES / "systemd").glob("*.service"))
#: the tenant of the examples
ACME = "acme"


@pytest.fixture
def start(redis_stack: ServerStack, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Starts a program beside the examples, with tagsweep's settings; returns its log."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*command: str, **more: str) -> Path:
        folder = tmp_path / f"program-{len(started)}"
        shutil.copytree(EXAMPLES, folder)
        surroundings = {**environment(**redis_stack.settings), **more}
        path = f"{folder}:{surroundings['PYTHONPATH']}"
        command = (sys.executable, "-m", *command)
        started.append(
            spawn([*command], folder=folder, environment={**surroundings, "PYTHONPATH": path})
        )
        return folder / "log"

    yield run
    for process in started:
        kill_tree(process)


@pytest.mark.slow
def test_the_fastapi_service_deletes_a_folder_and_its_tags_together(
    redis_stack: ServerStack, start: Callable[..., Path]
) -> None:
    doomed, tables = str(uuid4()), new_ids(3)
    redis_stack.store.tag(ACME, "pii", folders=[doomed])
    redis_stack.store.tag(ACME, "legacy", tables=tables)
    with psycopg.connect(str(redis_stack.settings["database_url"]), autocommit=True) as database:
        database.execute("CREATE TABLE folder (id uuid PRIMARY KEY, name text)")
        database.execute("INSERT INTO folder VALUES (%s, 'doomed')", [doomed])
    port = free_port()
    log = start("uvicorn", "fastapi_service:app", "--port", str(port))
    assert wait_until(lambda: "running on" in log.read_text(), seconds=30), log.read_text()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        answer = client.delete(f"/folders/{doomed}")
        assert answer.status_code == 202
        assert client.delete(f"/folders/{doomed}").status_code == 404
        eventually(lambda: redis_stack.events(answer.json()["job"]))
        refused = client.post("/tags/legacy/clean-up?max_affected=2").json()["job"]
        eventually(lambda: client.get(f"/jobs/{refused}").json() == {"status": "rejected"})
        done = client.post("/tags/legacy/clean-up").json()["job"]
        eventually(lambda: client.get(f"/jobs/{done}").json() == {"status": "succeeded"})
    assert redis_stack.store.links(ACME) == set()


@pytest.mark.slow
def test_the_faststream_consumer_keeps_its_index_in_step(
    redis_stack: ServerStack, redis_gateway: Gateway, tenant: str, start: Callable[..., Path]
) -> None:
    key = redis_gateway.credential(tenant).key
    log = start("faststream_consumer", TAGSWEEP_URL=redis_gateway.url, TAGSWEEP_API_KEY=key)
    index = log.parent / "index.db"
    assert wait_until(lambda: "started" in log.read_text().lower(), seconds=30), log.read_text()
    ids = new_ids(3)

    def indexed(count: int) -> Callable[[], Any]:
        def look() -> bool:
            with sqlite3.connect(index) as connection:
                rows = connection.execute("SELECT id FROM tagged").fetchall()
            return len(rows) == count

        return look

    attached = {"tenant": tenant, "names": ["new"], "tables": ids}
    redis_stack.run("tags.attach", attached)
    eventually(indexed(3))
    redis_stack.detach(tenant, ["new"], tables="*", dry_run=True)
    redis_stack.detach(tenant, ["new"], tables=ids[:2])
    eventually(indexed(1))


@pytest.mark.slow
def test_what_beat_sends_at_night_is_done(redis_stack: ServerStack) -> None:
    redis_stack.store.tag(ACME, "temporary", tables=new_ids(3))
    redis_stack.store.workspace(ACME, "w-beat", {"env": "dev"}, {})
    program = (
        "from celery.beat import Scheduler; from celery_beat import app\n"
        "scheduler = Scheduler(app)\n"
        "for entry in list(scheduler.schedule.values()):\n"
        "    if entry.task.startswith('tags.'): print(scheduler.apply_async(entry).id)\n"
    )
    surroundings = environment(**redis_stack.settings)
    path = f"{EXAMPLES}:{surroundings['PYTHONPATH']}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**surroundings, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    sent = done.stdout.split()
    assert len(sent) == 2
    for job_id in sent:
        (event,) = eventually(lambda: redis_stack.events(job_id))  # noqa: B023  # called at once
        assert event["data"]["status"] == "succeeded"
        assert event["data"]["counts"]["removed"] >= 1
    assert redis_stack.store.links(ACME) == set()


def _commands() -> list[tuple[str, list[str]]]:
    """Return the commands that units and containers start, without the program's path."""
    found = []
    for path in UNITS:
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(path)
        found.append((path.name, shlex.split(unit["Service"]["ExecStart"])[1:]))
    for name in ("examples/compose.yaml", "docker-compose.yml"):
        services = yaml.safe_load((ROOT / name).read_text())["services"]
        for service, options in services.items():
            if "image" not in options or options["image"] == "tagsweep":
                found.append((f"{name}: {service}", options["command"]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("where, words", _commands(), ids=lambda value: str(value)[:40])
def test_what_units_and_containers_start_is_a_command_with_known_options(
    where: str, words: list[str]
) -> None:
    assert words[0] in COMMANDS, where
    command = [sys.executable, "-m", "tagsweep.producer.cli", *words, "--no-such-option"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--no-such-option" in done.stderr, where


@pytest.mark.parametrize("path", [*UNITS, *(EXAMPLES / "systemd").glob("*.timer")], ids=str)
def test_systemd_understands_the_units(path: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        wanting(ServerMissing("systemd-analyze is not installed"))
    text = path.read_text().replace("/opt/tagsweep/bin/tagsweep", "/bin/true")
    copy = tmp_path / path.name
    copy.write_text(re.sub(r"^(User|EnvironmentFile)=.*\n", "", text, flags=re.MULTILINE))
    if path.suffix == ".timer":
        service = path.with_suffix(".service")
        (tmp_path / service.name).write_text(
            service.read_text().replace("/opt/tagsweep/bin/tagsweep", "/bin/true")
        )
    done = subprocess.run(
        [program, "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert copy.name not in done.stderr, done.stderr
