"""A job fifty times as long: time for each id, memory, messages on the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import redis

from benchmarks import ground, machine, processes, racing
from benchmarks.bench import Bench
from benchmarks.contenders import OURS
from benchmarks.ground import Ground
from benchmarks.racing import Stage
from benchmarks.results import Figure, Part, Table, shown, spread
from benchmarks.work import Work

METHOD = (
    "One producer process streams the ids from a generator; from its call to the event in the "
    "stream. The store has twice as many links as the longer job has ids; each job takes all "
    "links of its tag. Memory is the most that a process ever had resident (VmHWM): of the "
    "largest worker process from its start, of the producer beyond what it had before it sent "
    "anything. Messages: all lists on the Redis and all that were taken and not acknowledged, "
    "counted every 10 ms."
)
#: hashes in which messages are that a worker has taken
TAKEN = ("unacked", "tagsweep.taken")


def measure(bench: Bench) -> Part:
    """Run the short and the long job in turns."""
    template = bench.ground(ground.tall(bench.options.ids))
    works = {name: bench.work(template, name) for name in ("few", "many")}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in works}
    with bench.step("growth", 2 * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for name, work in works.items():
                step(name)
                runs[name].append(_run(bench, template, work))
    few, many = (work.size for work in works.values())
    return Part(
        name="growth",
        title=f"Growth: {many:,} ids next to {few:,}",
        command=machine.command("growth", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=_figures(runs),
        raw=dict(runs),
        machine=machine.describe(bench.servers),
    )


def _run(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    program = "benchmarks.streaming"
    with racing.staged(bench.servers, template, OURS, work, program) as stage:
        stage.sender.ask("warm up")
        busy = stage.warm()
        with _messages(stage) as most:
            measured = stage.sender.ask("go")
        peaks = [processes.peak_mb(one) for worker in stage.workers for one in worker.family()]
        racing.check(stage.connection, template, work)
        racing.check_job(stage, measured["job"], work)
    return {
        **measured,
        "busy": busy,
        "ids": work.size,
        "us_per_id": measured["seconds"] / work.size * 1e6,
        "producer_mb": measured["peak_mb"] - measured["begin_mb"],
        "worker_mb": max(peaks),
        "messages": most[0],
    }


@contextmanager
def _messages(stage: Stage) -> Iterator[list[int]]:
    """Give a list whose one number is, after the block, the most messages at any time."""
    most, over = [0], threading.Event()

    def look() -> None:
        url = stage.settings["broker_url"]
        with redis.Redis.from_url(url) as client:
            while not over.is_set():
                most[0] = max(most[0], _count(client))
                time.sleep(0.01)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def _count(client: redis.Redis) -> int:
    lists: Any = list(client.scan_iter(_type="list", count=1_000))
    pipeline: Any = client.pipeline(transaction=False)
    for name in lists:
        pipeline.llen(name)
    for name in TAKEN:
        pipeline.hlen(name)
    return sum(pipeline.execute())


def _middle(runs: list[dict[str, Any]], name: str) -> float:
    return float(median(run[name] for run in runs))


def _table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    measures = {
        "seconds": "seconds",
        "microseconds per id": "us_per_id",
        "seconds until all was sent": "sent_s",
        "largest worker process, MB": "worker_mb",
        "producer, above its start, MB": "producer_mb",
        "most messages at any time": "messages",
    }
    columns = ["what", *(f"{found[0]['ids']:,} ids" for found in runs.values()), "ratio"]
    rows = []
    for what, name in measures.items():
        values = [[run[name] for run in found] for found in runs.values()]
        few, many = (median(some) for some in values)
        rows.append([what, *(spread(some) for some in values), shown(many / few) if few else ""])
    return Table(columns, rows)


def _figures(runs: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    few, many = runs["few"], runs["many"]

    def ratio(name: str) -> float:
        return _middle(many, name) / _middle(few, name)

    most = max(run["messages"] for run in [*few, *many])
    return [
        Figure("time per id, of that of the short job", ratio("us_per_id"), "<=", 1.2, 1.0),
        Figure("largest worker process, of that of the short job", ratio("worker_mb"), "<=", 1.3),
        Figure("largest worker process", _middle(many, "worker_mb"), "<=", 200, None, "MB"),
        Figure("producer above its start", _middle(many, "producer_mb"), "<=", 50, None, "MB"),
        Figure("messages on the broker, at most", most, "<=", 50, None, ""),
    ]
