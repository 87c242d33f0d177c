"""`tagsweep doctor` says in words what is wrong, and what to do about it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from sqlalchemy import text, update

from tagsweep.worker.doctor import checks
from tagsweep.worker.models.tables import (
    job,
    outbox,
    set_aside,
    tag_link,
)
from tagsweep.worker.tasks import sweep
from tests.servers import Postgres, RabbitMQ, Redis
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stack import ROOT, ServerStack, environment
from tests.support.stores import Store, new_ids


def _doctor(*arguments: str, **settings: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tagsweep.producer.cli", "doctor", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def _wrong(about: str) -> list[checks.Finding]:
    return [one for one in checks.findings() if one.is_wrong and one.about == about]


@pytest.mark.slow
def test_where_all_is_well_it_says_so_and_exits_0(tmp_path: Path) -> None:
    status, told = _doctor("--json", database_url=f"sqlite:///{tmp_path / 'tagsweep.db'}")
    found = json.loads(told)
    assert status == 0
    assert found["ok"] is True
    assert {one["about"] for one in found["findings"]} == {"database", "links", "jobs", "messages"}


def test_a_database_that_is_down_is_wrong(own_postgres: Postgres) -> None:
    url = own_postgres.create_database()
    own_postgres.stop()
    status, told = _doctor(database_url=url)
    assert status == 1
    assert "\nWRONG  database  The store at postgresql://" in told
    assert "does not answer" in told
    assert "->" in told


def test_a_schema_of_another_version_is_wrong(postgres_store: Store) -> None:
    with postgres_store.transaction() as connection:
        connection.execute(text("UPDATE tagsweep_version SET version_num = '0001'"))
    (finding,) = _wrong("database")
    assert "run `tagsweep migrate`" in finding.what


@pytest.fixture
def on_redis(postgres_store: Store, own_redis: Redis) -> Iterator[redis.Redis]:
    """A Redis that keeps a log, and can be set otherwise; this process's broker."""
    url = own_redis.create_database()
    there = configured(database_url=postgres_store.url, broker_url=url)
    with there, redis.Redis.from_url(url) as client:
        yield client


@pytest.mark.usefixtures("postgres_store")
def test_a_redis_that_keeps_everything_is_well(on_redis: redis.Redis) -> None:
    assert on_redis.ping()
    assert _wrong("broker") == _wrong("events") == []
    (finding,) = _wrong("workers")
    assert finding.advice == "Start one: tagsweep worker"


def test_a_redis_without_a_log_is_wrong(on_redis: redis.Redis) -> None:
    on_redis.config_set("appendonly", "no")
    (finding,) = _wrong("broker")
    assert "no log (appendonly), and no snapshots" in finding.what
    on_redis.config_set("save", "60 1")
    (finding,) = _wrong("broker")
    assert "only snapshots" in finding.what


def test_a_redis_that_drops_data_is_wrong(on_redis: redis.Redis) -> None:
    on_redis.config_set("maxmemory", "100mb")
    assert _wrong("broker") == []
    on_redis.config_set("maxmemory-policy", "allkeys-lru")
    (finding,) = _wrong("broker")
    assert "allkeys-lru" in finding.what
    assert "noeviction" in str(finding.advice)


def test_a_broker_that_is_down_is_wrong(on_redis: redis.Redis, own_redis: Redis) -> None:
    assert on_redis.ping()
    own_redis.stop()
    (finding,) = _wrong("broker")
    assert "does not answer" in finding.what
    assert _wrong("events")


def test_a_rabbitmq_that_takes_no_messages_is_wrong(
    postgres_store: Store, own_rabbitmq: RabbitMQ
) -> None:
    with configured(database_url=postgres_store.url, broker_url=own_rabbitmq.create_vhost()):
        assert _wrong("broker") == _wrong("events") == []
        own_rabbitmq.take_no_messages()
        (finding,) = _wrong("broker")
        assert "takes no messages: connection blocked" in finding.what


@pytest.mark.slow
def test_workers_that_answer_are_named(server_stack: ServerStack) -> None:
    settings: dict[str, Any] = server_stack.settings
    with configured(**settings):
        (found,) = [one for one in checks.findings() if one.about == "workers"]
    assert not found.is_wrong
    assert all(worker.folder.name in found.what for worker in server_stack.workers)


def test_links_from_the_future_are_wrong(store: Store, tenant: str) -> None:
    store.tag(tenant, "t", tables=new_ids(3))
    assert _wrong("links") == []
    with store.transaction() as connection:
        connection.execute(update(tag_link).values(created_at=_in(hours=1)))
    (finding,) = _wrong("links")
    assert finding.what.startswith("3 links")


def test_a_job_that_nobody_works_on_is_wrong_unless_it_is_paused(store: Store, tenant: str) -> None:
    store.tag(tenant, "t")
    job_id = driving.opened(driving.detach_job(tenant, ["t"], tables=new_ids(3)))
    assert _wrong("jobs") == []
    with store.transaction() as connection:
        connection.execute(update(job).values(started_at=_in(minutes=-2)))
    (finding,) = _wrong("jobs")
    assert str(job_id) in finding.what
    assert "0 of 3 items done" in finding.what
    with store.transaction() as connection:
        connection.execute(update(job).values(paused=True))
    assert _wrong("jobs") == []
    assert any("Paused" in one.what for one in checks.findings())


def test_an_event_that_waits_for_long_is_wrong(
    postgres_store: Store, redis_url: str, tenant: str
) -> None:
    postgres_store.tag(tenant, "t")
    driving.opened(driving.detach_job(tenant, ["t"], tables=new_ids(3)))
    assert sweep.apply_next()
    with configured(database_url=postgres_store.url, events_url=redis_url):
        assert _wrong("events") == []
        with postgres_store.transaction() as connection:
            connection.execute(update(outbox).values(created_at=_in(minutes=-5)))
        (finding,) = _wrong("events")
    assert "been waiting for 30" in finding.what


def test_messages_set_aside_today_are_wrong(store: Store) -> None:
    row = {"id": uuid4(), "task": "t", "task_id": "x", "reason": "It is no job.", "body": ""}
    with store.transaction() as connection:
        connection.execute(set_aside.insert(), row)
    (finding,) = _wrong("messages")
    assert "1 messages" in finding.what
    assert "It is no job." in finding.what
    with store.transaction() as connection:
        connection.execute(update(set_aside).values(received_at=_in(hours=-25)))
    assert _wrong("messages") == []


def _in(**span: float) -> datetime:
    return datetime.now().astimezone() + timedelta(**span)
