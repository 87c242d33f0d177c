"""Two installations on one broker, apart by their namespaces: nothing of one reaches the other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from tagsweep.worker import settings
from tagsweep.worker.broker import app, names
from tagsweep.worker.errors import SettingsError
from tests.servers import Postgres
from tests.support.fixtures import configured
from tests.support.stack import ServerStack, environment
from tests.support.stores import new_ids

pytestmark = pytest.mark.integration

SPACES = ("tagsweep", "team-b.tags")
JOBS = 20


@pytest.fixture(params=["redis", "amqp"])
def pair(
    request: pytest.FixtureRequest,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
) -> Iterator[list[ServerStack]]:
    """Two installations with a store and a worker each, on one broker."""
    broker_url = request.getfixturevalue(f"{request.param}_url")
    stacks = []
    for space in SPACES:
        store = postgres_server.create_database(postgres_template)
        stacks.append(ServerStack(request.param, tmp_path / space, store, broker_url))
        stacks[-1].settings["namespace"] = space
        stacks[-1].start_worker()
    try:
        for stack in stacks:
            stack.wait()
        yield stacks
    finally:
        for stack in stacks:
            stack.close()


def _workers_told(stack: ServerStack) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tagsweep.producer.cli", "doctor", "--json"],
        env=environment(**stack.settings),
        capture_output=True,
        text=True,
        check=False,
    )
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return [finding["what"] for finding in findings if finding["about"] == "workers"]


@pytest.mark.slow
def test_no_job_event_or_control_crosses(pair: list[ServerStack], tenant: str) -> None:
    ids = sorted(new_ids(JOBS, seed=5))
    sent: dict[str, list[Any]] = {space: [] for space in SPACES}
    for stack in pair:
        stack.store.tag(tenant, "legacy", tables=ids)
    for one in ids:
        body = {"tenant": tenant, "names": ["legacy"], "tables": [one]}
        for space, stack in zip(SPACES, pair, strict=True):
            task = stack._app.send_task("tags.detach", [body], task_id=str(uuid4()), queue=space)
            sent[space].append(task)
    for space, stack in zip(SPACES, pair, strict=True):
        done = [job.get(timeout=60) for job in sent[space]]
        assert [data["counts"]["removed"] for data in done] == [1] * JOBS
        assert {str(stack.store.job(job.id).id) for job in sent[space]} == {
            j.id for j in sent[space]
        }
        assert stack.store.links(tenant) == set()
        (workers,) = _workers_told(stack)
        assert workers.startswith("1 answer")
    if pair[0].name == "redis":
        with redis.Redis.from_url(pair[0].broker_url) as client:
            for space in SPACES:
                entries: Any = client.xrange(f"{space}:events")
                told = {json.loads(fields[b"data"])["subject"] for _, fields in entries}
                assert told == {job.id for job in sent[space]}


def test_the_default_names_are_as_ever() -> None:
    with configured():
        found = [names.queue(), names.sweeps(), names.parts(), names.stream(), names.exchange()]
        assert found == [
            "tagsweep",
            "tagsweep.sweep",
            "tagsweep.parts",
            "tagsweep:events",
            "tagsweep.events",
        ]
        assert names.taken() == ("tagsweep.taken", "tagsweep.taken_at")
        conf = app.app().conf
        assert (conf.control_exchange, conf.event_exchange) == ("celery", "celeryev")


@pytest.mark.parametrize("name", [" ", "a b", "a:b", "a*", "ä", "x" * 65, "-", ".x", "a\n"])
def test_a_namespace_that_is_no_name_is_refused(name: str) -> None:
    with configured(namespace=name), pytest.raises(SettingsError) as raised:
        settings.load()
    assert str(raised.value).startswith("TAGSWEEP_NAMESPACE=")
    assert "\n" not in str(raised.value)
