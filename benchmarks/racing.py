"""One run of one contender, from the same state each time, and the proof that it was right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import redis

from benchmarks import contenders, ground, processes
from benchmarks.ground import Ground
from benchmarks.servers import Servers
from benchmarks.work import Work
from worker.models.events import STREAM


class Wrong(RuntimeError):
    """A contender did not do what it was told: its time counts nothing."""


@dataclass(frozen=True)
class Prepared:
    """A copy of the store, its Redis, and what processes are told of both."""

    database_url: str
    broker_url: str

    @property
    def settings(self) -> dict[str, object]:
        """The settings of all processes of this run."""
        return {"database_url": self.database_url, "broker_url": self.broker_url}


@contextmanager
def prepared(servers: Servers, template: Ground) -> Iterator[Prepared]:
    """Give a fresh copy of the store and an empty Redis."""
    with redis.Redis.from_url(servers.redis.url) as client:
        client.flushall()
    with template.copy() as url:
        yield Prepared(url, servers.redis.url)


def run(servers: Servers, template: Ground, name: str, work: Work) -> dict[str, Any]:
    """Let a contender do the work on a fresh copy; return what it measured, once proved right."""
    contender = contenders.ALL[name]
    with prepared(servers, template) as place, processes.folder() as home:
        if contender.setup:
            processes.finish(contender.setup, **place.settings)
        path = home / "work.json"
        work.save(path)
        arguments = ["-m", "benchmarks.driver", contender.run, str(path)]
        with (
            processes.workers(contender.workers, place.settings) as workers,
            processes.sender(arguments, place.settings) as sender,
            psycopg.connect(place.database_url, autocommit=True) as connection,
        ):
            sender.ask("warm up")
            ground.warm(connection)
            measured = sender.ask("go")
            for worker in workers:
                worker.check()
            check(connection, template, work)
            if job_id := measured.get("job"):
                check_job(connection, place, job_id, work)
        return measured


def check(connection: psycopg.Connection, template: Ground, work: Work) -> None:
    """Raise Wrong unless exactly the links of the work are gone."""
    expected = {name: one for name, one in template.fingerprint.items() if name not in work.tags}
    found = ground.fingerprint(connection)
    if found != expected:
        wrong = sorted({name for name, _ in found.items() ^ expected.items()})
        raise Wrong(f"Links of these tags are not what they should be: {', '.join(wrong[:10])}")


def check_job(connection: psycopg.Connection, place: Prepared, job_id: str, work: Work) -> None:
    """Raise Wrong unless our job's row and its one event tell the same, and the truth."""
    items = len(work.ids) * len(work.tags)
    query = "SELECT status, total, removed, absent, failed FROM job WHERE id = %s"
    row = connection.execute(query, (job_id,)).fetchone()
    if row != ("succeeded", items, items, 0, 0):
        raise Wrong(f"The job's row tells {row}, not {items} removed.")
    with redis.Redis.from_url(place.broker_url) as client:
        entries: Any = client.xrange(STREAM)
    events = [json.loads(fields[b"data"]) for _, fields in entries]
    mine = [event["data"]["counts"] for event in events if event["subject"] == job_id]
    counts = {"total": items, "removed": items, "absent": 0, "failed": 0, "unprocessed": 0}
    if mine != [counts]:
        raise Wrong(f"The job's events tell {mine}, not {counts} once.")
