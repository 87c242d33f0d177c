"""Small jobs: how many a second, how soon, and how soon beside a big one; next to Celery itself."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

import psycopg
import redis

from benchmarks import ground, machine, processes, racing
from benchmarks.bench import Bench
from benchmarks.contenders import NOOP, OURS, Contender
from benchmarks.ground import Ground
from benchmarks.processes import Sender, Worker
from benchmarks.racing import Prepared, Wrong
from benchmarks.results import Figure, Part, Table, shown, spread
from benchmarks.trickle import FEW
from benchmarks.work import Work
from worker.models.events import STREAM

METHOD = (
    "One tag off ten resources, of the store of the big jobs. *Drained*: the workers are warmed "
    "up, stopped (SIGSTOP) while all jobs are sent, and timed from when they go on to the last "
    "event (to the last no-op taken). *Latency*: at 50 a second, from the call to the event in "
    "the stream; of a no-op from `send_task` to the return of `get`. *Enqueued*: one process, no "
    "workers, `TagSweep.detach` and `send_task` of the same job in turns. Every job's row, every "
    "event and the number of links left are checked."
)
RATE = 50
WARM = 200


def measure(bench: Bench) -> Part:
    """Measure all of it, ours and Celery in turns."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, "one")
    raw: dict[str, list[dict[str, Any]]] = {"ours": [], "noop": [], "enqueue": []}
    with bench.step("small jobs", 3 * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            step("ours")
            raw["ours"].append(_ours(bench, template, work))
            step("no-op")
            raw["noop"].append(_noop(bench, template, work))
            step("enqueue")
            raw["enqueue"].append(_enqueue(bench, template, work))
    return Part(
        name="small",
        title=f"Small jobs: 1 tag x {FEW} ids, {bench.options.jobs:,} of them",
        command=machine.command("small", bench.options),
        method=METHOD,
        table=_table(raw),
        figures=_figures(raw),
        raw=dict(raw),
        machine=machine.describe(bench.servers),
    )


def _ours(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    jobs = bench.options.jobs
    with stage(bench, template, OURS, work) as (place, sender, workers):
        client = redis.Redis.from_url(place.broker_url)
        warm_up(sender, "job", lambda: _length(client) == WARM)
        taken = _drain(sender, workers, "job", jobs, lambda: _length(client) == WARM + jobs)
        paced = sender.ask(json.dumps({"do": "jobs_at", "rate": RATE, "times": jobs // 5}))
        client.close()
        _check(place, template, WARM + jobs + jobs // 5)
    return {"drained": jobs / taken, "ms": paced["ms"]}


def _noop(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    jobs = bench.options.jobs
    with stage(bench, template, NOOP, work) as (place, sender, workers):
        client = redis.Redis.from_url(place.broker_url)

        def done() -> bool:
            waiting: Any = client.llen("celery")
            return not waiting + client.hlen("unacked")

        warm_up(sender, "noop", done)
        taken = _drain(sender, workers, "noop", jobs, done)
        paced = sender.ask(json.dumps({"do": "noops_at", "rate": RATE, "times": jobs // 5}))
        client.close()
    return {"drained": jobs / taken, "ms": paced["ms"]}


def _enqueue(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    jobs = max(bench.options.jobs // 2, 100)
    with stage(bench, template, None, work) as (_, sender, _workers):
        for what in ("job", "task"):
            sender.ask(json.dumps({"do": "enqueue", "what": what, "times": WARM}))
        return {
            what: jobs
            / sender.ask(json.dumps({"do": "enqueue", "what": what, "times": jobs}))["seconds"]
            for what in ("job", "task")
        }


@contextmanager
def stage(
    bench: Bench, template: Ground, contender: Contender | None, work: Work
) -> Iterator[tuple[Prepared, Sender, list[Worker]]]:
    """Give a fresh copy, a sender of small things, and the workers."""
    with racing.prepared(bench.servers, template) as place, processes.folder() as home:
        work.save(home / "work.json")
        arguments = ["-m", "benchmarks.trickle", str(home / "work.json")]
        with (
            processes.workers(contender.workers if contender else (), place.settings) as workers,
            processes.sender(arguments, place.settings) as sender,
            psycopg.connect(place.database_url, autocommit=True) as connection,
        ):
            ground.warm(connection)
            yield place, sender, workers
            for worker in workers:
                worker.check()


def warm_up(sender: Sender, what: str, done: Callable[[], bool]) -> None:
    """Return once the workers have done some."""
    sender.ask(json.dumps({"do": "enqueue", "what": what, "times": WARM}))
    _wait(done)


def _drain(
    sender: Sender, workers: list[Worker], what: str, times: int, done: Callable[[], bool]
) -> float:
    """Send all while the workers are stopped; return how long they then take."""
    family = [one for worker in workers for one in worker.family()]
    for one in family:
        one.send_signal(signal.SIGSTOP)
    sender.ask(json.dumps({"do": "enqueue", "what": what, "times": times}))
    start = time.perf_counter()
    for one in family:
        one.send_signal(signal.SIGCONT)
    _wait(done)
    return time.perf_counter() - start


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + processes.PATIENCE_S
    while not done():
        if time.monotonic() > end:
            raise Wrong("The jobs did not come to an end.")
        time.sleep(0.005)


def _length(client: redis.Redis) -> int:
    length: Any = client.xlen(STREAM)
    return int(length)


def _check(place: Prepared, template: Ground, jobs: int) -> None:
    """Raise Wrong unless each job removed its ten links and told so once."""
    with psycopg.connect(place.database_url) as connection:
        query = "SELECT count(*), sum(removed), sum(total) FROM job WHERE status = 'succeeded'"
        row = connection.execute(query).fetchone()
        left = sum(count for count, _ in ground.fingerprint(connection).values())
    with redis.Redis.from_url(place.broker_url) as client:
        entries: Any = client.xrange(STREAM)
    events = [json.loads(fields[b"data"]) for _, fields in entries]
    right = [one for one in events if one["data"]["counts"]["removed"] == FEW]
    expected = (jobs, jobs * FEW, jobs * FEW, template.layout.links - jobs * FEW, jobs, jobs, jobs)
    found = (*(row or ()), left, len(events), len(right), len({one["id"] for one in events}))
    if found != expected:
        raise Wrong(f"Small jobs did not do what they should: {found}, not {expected}.")


def percentile(values: list[float], which: int) -> float:
    """Return what so many of a hundred do not exceed."""
    return quantiles(values, n=100, method="inclusive")[which - 1]


def _of(raw: dict[str, list[dict[str, Any]]], who: str, which: int) -> list[float]:
    return [percentile(run["ms"], which) for run in raw[who]]


def _table(raw: dict[str, list[dict[str, Any]]]) -> Table:
    ours, noop, sent = raw["ours"], raw["noop"], raw["enqueue"]

    def row(what: str, us: list[float], them: list[float]) -> list[str]:
        return [what, spread(us), spread(them), shown(median(us) / median(them))]

    rows = [
        row("drained per second", [r["drained"] for r in ours], [r["drained"] for r in noop]),
        row("latency p50, ms", _of(raw, "ours", 50), _of(raw, "noop", 50)),
        row("latency p99, ms", _of(raw, "ours", 99), _of(raw, "noop", 99)),
        row("enqueued per second", [r["job"] for r in sent], [r["task"] for r in sent]),
    ]
    return Table(["what", "tagsweep, a job", "Celery alone, a no-op", "ratio"], rows)


def _figures(raw: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    def ratio(us: list[float], them: list[float]) -> float:
        return median(us) / median(them)

    drained = ratio(*([run["drained"] for run in raw[who]] for who in ("ours", "noop")))
    p50, p99 = (ratio(_of(raw, "ours", one), _of(raw, "noop", one)) for one in (50, 99))
    sent = ratio([run["job"] for run in raw["enqueue"]], [run["task"] for run in raw["enqueue"]])
    return [
        Figure("small jobs drained per second, of no-op tasks", drained, ">=", 0.45, 0.7),
        Figure("p50 from send to event, of a no-op's round trip", p50, "<=", 3, 2),
        Figure("p99 from send to event, of a no-op's round trip", p99, "<=", 3, 2),
        Figure("enqueued per second, of `send_task` of the same", sent, ">=", 0.8),
    ]
