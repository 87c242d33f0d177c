"""A command that waits for a job waits on while servers are away, and always names the job."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.database import schema
from tests.servers import Postgres, Redis
from tests.servers.server import Server
from tests.support.cli import CommandLine, ids
from tests.support.fixtures import configured
from tests.support.gateway import serving
from tests.support.stack import ServerStack, eventually

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

AWAY_S = 8
DETACH = ("detach", "--tenant", "acme", "--name", "legacy")
SLOW = {"chunk_size": 500, "max_rate": 1_000}
IDS = ids(6_000)


@pytest.fixture
def stack(own_postgres: Postgres, own_redis: Redis, tmp_path: Path) -> Iterator[ServerStack]:
    """Servers that the test may stop, with one worker that takes its time."""
    url = own_postgres.create_database()
    with configured(database_url=url):
        schema.upgrade()
    made = ServerStack("redis", tmp_path / "stack", url, own_redis.url)
    made.settings |= {**SLOW, "visibility_s": 5}
    try:
        made.start_worker()
        made.wait()
        yield made
    finally:
        made.close()


@pytest.fixture
def run(stack: ServerStack, tmp_path: Path) -> CommandLine:
    """The command, straight to the servers."""
    return CommandLine(tmp_path, **{name: str(value) for name, value in stack.settings.items()})


@pytest.fixture(params=["direct", "gateway"])
def either(
    request: pytest.FixtureRequest, stack: ServerStack, run: CommandLine, tmp_path: Path
) -> Iterator[CommandLine]:
    """The command, straight to the servers or through a gateway."""
    if request.param == "direct":
        yield run
        return
    with serving(stack) as gateway:
        key = gateway.credential("acme").key
        yield CommandLine(tmp_path, url=gateway.url, api_key=key)


@contextmanager
def _away(server: Server) -> Iterator[None]:
    server.stop()
    time.sleep(AWAY_S)  # the outage itself
    yield
    server.start()


def _in_the_middle(stack: ServerStack, started: subprocess.Popen[str]) -> str:
    """Return the id of the one job, once it is under way."""

    def running() -> Any:
        assert started.poll() is None
        with stack.store.transaction() as connection:
            query = "SELECT id FROM job WHERE status = 'running' AND removed > 0"
            return connection.exec_driver_sql(query).scalar()

    return str(eventually(running))


@pytest.mark.parametrize("which", ["own_postgres", "own_redis"])
def test_a_wait_outlasts_an_outage_and_tells_the_true_end(
    request: pytest.FixtureRequest, stack: ServerStack, either: CommandLine, which: str
) -> None:
    server: Server = request.getfixturevalue(which)
    stack.store.tag("acme", "legacy", tables=IDS)
    listed = either.file("ids.txt", IDS)
    with either.started(*DETACH, "--tables", listed, "--json") as waiting:
        job_id = _in_the_middle(stack, waiting)
        with _away(server):
            assert waiting.poll() is None
        out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0
    done = json.loads(out)
    assert (done["job_id"], done["status"]) == (job_id, "succeeded")
    assert done["counts"]["removed"] == len(IDS)
    for line in err.splitlines():
        assert job_id in line


def test_a_watch_outlasts_an_outage_and_ctrl_c_in_it_names_the_job(
    own_postgres: Postgres, stack: ServerStack, either: CommandLine
) -> None:
    stack.store.tag("acme", "legacy", tables=IDS)
    listed = either.file("ids.txt", IDS)
    sent = either(*DETACH, "--tables", listed, "--no-wait", "--json")
    job_id = sent.json["job_id"]
    assert either("jobs", "pause", job_id).status == 0
    with (
        either.started("jobs", "watch", job_id, "--json") as watching,
        either.started("jobs", "watch", job_id) as stopped,
    ):
        for one in (watching, stopped):
            assert one.stderr is not None
            assert job_id in one.stderr.readline()  # nothing happens to it, so it says
        assert either("jobs", "resume", job_id).status == 0
        with _away(own_postgres):
            stopped.send_signal(signal.SIGINT)
            _, told = stopped.communicate(timeout=20)
        out, err = watching.communicate(timeout=60)
    assert stopped.returncode == 130
    assert all(job_id in line for line in (told + err).splitlines())
    assert (watching.returncode, json.loads(out)["status"]) == (0, "succeeded")


def test_who_waits_in_vain_is_told_the_id_and_3(
    own_postgres: Postgres, stack: ServerStack, run: CommandLine
) -> None:
    stack.store.tag("acme", "legacy", tables=IDS)
    program = (
        "from tagsweep.producer.cli import main\n"
        "from tagsweep.producer.cli.backends import reconnecting\n"
        "import sys\n"
        "reconnecting.PATIENCE_S = 2\n"
        f"sys.argv = ['tagsweep', *{list(DETACH)!r}, '--tables', '{run.file('ids.txt', IDS)}']\n"
        "main()\n"
    )
    with run.started_python(program) as waiting:
        job_id = _in_the_middle(stack, waiting)
        own_postgres.stop()
        _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 3
    assert f"tagsweep jobs watch {job_id}" in err.splitlines()[-1]


def test_a_store_that_is_away_at_once_gets_nothing(
    own_postgres: Postgres, run: CommandLine
) -> None:
    own_postgres.stop()
    refused = run(*DETACH, "--tables", IDS[0])
    assert (refused.status, refused.out) == (1, "")
    assert len(refused.err.splitlines()) == 1
    assert "Nothing was done." in refused.err


def test_events_are_followed_through_an_outage(
    own_postgres: Postgres, stack: ServerStack, either: CommandLine
) -> None:
    with either.started("events", "--follow") as following:
        first = stack.detach("acme", ["legacy"], tables=IDS[:1])["job_id"]
        assert following.stdout is not None
        assert first in following.stdout.readline()
        with _away(own_postgres):
            assert following.poll() is None
        second = stack.detach("acme", ["legacy"], tables=IDS[:1])["job_id"]
        assert second in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=20)
    assert following.returncode == 0
    assert len(re.findall("Trying again", err)) <= 1
