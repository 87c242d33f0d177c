"""One run of one contender, from the same state each time, and the proof that it was right."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
import redis

from benchmarks import contenders, ground, processes
from benchmarks.contenders import Contender
from benchmarks.ground import Ground
from benchmarks.processes import Sender, Worker
from benchmarks.servers import Servers
from benchmarks.work import Work
from tests.support.wire import STREAM

#: percent of the processors that others may use without a word
MOST_BUSY = 15


class Wrong(RuntimeError):
    """A contender did not do what it was told: its time counts nothing."""


@dataclass(frozen=True)
class Stage:
    """All that one run takes: workers that wait, and whoever will send them work."""

    settings: dict[str, str]
    workers: list[Worker]
    sender: Sender
    connection: psycopg.Connection
    redis: redis.Redis

    def events(self) -> list[dict[str, Any]]:
        """Return every event that was published."""
        entries: Any = self.redis.xrange(STREAM)
        return [json.loads(fields[b"data"]) for _, fields in entries]

    def warm(self) -> float:
        """Have all of the store in memory, and nothing left to be written.

        Return how many percent of the processors others use meanwhile, and tell where it is much.
        """
        ground.warm(self.connection)
        busy = psutil.cpu_percent(interval=0.5)  # nothing of ours has anything to do
        if busy > MOST_BUSY:
            told = f"Other programs use {busy:.0f} % of the processors: this run tells little."
            print(told, file=sys.stderr)
        return busy


@contextmanager
def staged(
    servers: Servers, template: Ground, contender: Contender, work: Work, *program: str
) -> Iterator[Stage]:
    """Give a fresh copy of the store, an empty Redis, the workers, and the program that sends."""
    with template.copy() as url, processes.folder() as home:
        settings = {"database_url": url, "broker_url": servers.redis.url, **contender.settings}
        if contender.setup:
            processes.finish(contender.setup, **settings)
        work.save(home / "work.json")
        arguments = ["-m", *program, str(home / "work.json")]
        with (
            redis.Redis.from_url(servers.redis.url) as client,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            client.flushall()
            with (
                processes.workers(contender.workers, settings) as workers,
                processes.sender(arguments, settings) as sender,
            ):
                yield Stage(settings, workers, sender, connection, client)
                for worker in workers:
                    worker.check()


def run(servers: Servers, template: Ground, name: str, work: Work) -> dict[str, Any]:
    """Let a contender do the work on a fresh copy; return what it measured, once proved right."""
    contender = contenders.ALL[name]
    with staged(servers, template, contender, work, "benchmarks.driver", contender.run) as stage:
        stage.sender.ask("warm up")
        busy = stage.warm()
        measured = {**stage.sender.ask("go"), "busy": busy}
        check(stage.connection, template, work)
        if job_id := measured.get("job"):
            check_job(stage, job_id, work)
    return measured


def check(connection: psycopg.Connection, template: Ground, work: Work) -> None:
    """Raise Wrong unless exactly the links of the work are gone."""
    expected = {name: one for name, one in template.fingerprint.items() if name not in work.tags}
    found = ground.fingerprint(connection)
    if found != expected:
        wrong = sorted({name for name, _ in found.items() ^ expected.items()})
        raise Wrong(f"Links of these tags are not what they should be: {', '.join(wrong[:10])}")


def check_job(stage: Stage, job_id: str, work: Work) -> None:
    """Raise Wrong unless our job's row and its one event tell the same, and the truth."""
    items = work.size * len(work.tags)
    query = "SELECT status, total, removed, absent, failed FROM tagsweep.job WHERE id = %s"
    row = stage.connection.execute(query, (job_id,)).fetchone()
    if row != ("succeeded", items, items, 0, 0):
        raise Wrong(f"The job's row tells {row}, not {items} removed.")
    mine = [event["data"]["counts"] for event in stage.events() if event["subject"] == job_id]
    counts = {"total": items, "removed": items, "absent": 0, "failed": 0, "unprocessed": 0}
    if mine != [counts]:
        raise Wrong(f"The job's events tell {mine}, not {counts} once.")
