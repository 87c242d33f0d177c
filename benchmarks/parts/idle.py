"""What a system costs that has nothing to do, and how soon an idle worker starts a job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks import ground, machine, processes
from benchmarks.bench import Bench
from benchmarks.contenders import OURS, Contender
from benchmarks.ground import Ground
from benchmarks.parts.small import published, staged, wait, warm_up
from benchmarks.racing import Stage
from benchmarks.results import Figure, Part, Table, percentile, shown, spread
from benchmarks.work import Work
from tests.servers.processes import free_port

METHOD = (
    "Six workers of two processes each (`celery -A tagsweep worker --concurrency 2`) and a gateway "
    "do some small jobs, then nothing for a minute; what they then do in 20 s is counted: "
    "transactions by `pg_stat_database`, with autovacuum off, Redis commands, those inside scripts "
    "too, by `INFO commandstats`, processor time of a worker and its processes. *Starts after*: a "
    "plain Celery app sends small jobs, four a second, to these idle workers; from `send_task` to "
    "the moment at which the job is recorded."
)
WORKERS = 6
SETTLE_S, COUNTED_S = 60, 20
RATE, TIMES = 4, 200
MEASURES = {
    "transactions": "transactions/s of the whole system",
    "commands": "Redis commands/s per worker",
    "processor": "processor time of a worker, %",
    "starts": "a job of a plain Celery app starts after, p99, ms",
}


def measure(bench: Bench) -> Part:
    """Measure it as often as is asked for."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, "one")
    runs = []
    with bench.step("idle", bench.options.runs) as step:
        for at in range(bench.options.runs):
            step(f"run {at + 1}")
            runs.append(_run(bench, template, work))
    return Part(
        name="idle",
        title=f"Nothing to do: {WORKERS} workers and a gateway",
        command=machine.command("idle", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=_figures(runs),
        raw={"ours": runs},
        machine=machine.describe(bench.servers),
    )


def _run(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    six = Contender(OURS.title, OURS.run, OURS.workers * WORKERS)
    with staged(bench, template, six, work) as stage, _gateway(stage):
        warm_up(stage, bench.options.warm)
        with _without_autovacuum(stage):
            time.sleep(SETTLE_S)
            before = _counted(stage)
            time.sleep(COUNTED_S)
            after = _counted(stage)
        used = [(end - start) / COUNTED_S for start, end in zip(before, after, strict=True)]
        starts = _starts(stage)
        wait(lambda: published(stage) == bench.options.warm + TIMES)
    transactions, commands, processor = used
    return {
        "transactions": transactions,
        "commands": commands / WORKERS,
        "processor": processor / WORKERS * 100,
        "ms": starts,
        "starts": percentile(starts, 99),
    }


@contextmanager
def _without_autovacuum(stage: Stage) -> Iterator[None]:
    """Keep the server from transactions of its own, after what the small jobs have changed."""
    for statement in ("VACUUM ANALYZE", "ALTER SYSTEM SET autovacuum = off"):
        stage.connection.execute(statement)
    stage.connection.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        stage.connection.execute("ALTER SYSTEM RESET autovacuum")
        stage.connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _gateway(stage: Stage) -> Iterator[None]:
    port = free_port()
    serve = ("-m", "tagsweep.producer.cli", "serve", "--port", str(port))
    with processes.workers([serve], stage.settings) as servers:
        wait(lambda: processes.listens(port) or servers[0].ended)
        yield
        servers[0].check()


def _counted(stage: Stage) -> tuple[float, float, float]:
    """Return the transactions, commands and processor seconds of all until now."""
    query = (
        "SELECT xact_commit + xact_rollback FROM pg_stat_database"
        " WHERE datname = current_database()"
    )
    row = stage.connection.execute(query).fetchone()
    stats: Any = stage.redis.info("commandstats")
    family = [one for worker in stage.workers for one in worker.family()]
    return (
        float(row[0]) if row else 0,
        float(sum(each["calls"] for each in stats.values())),
        sum(processes.processor_s(one) for one in family),
    )


def _starts(stage: Stage) -> list[float]:
    """Return the milliseconds from the sending of each job to its record."""
    sent = stage.sender.ask("tasks_at", rate=RATE, times=TIMES)["sent"]
    query = "SELECT id::text, extract(epoch FROM accepted_at)::float8 FROM tagsweep.job"

    def accepted() -> dict[str, float]:
        return dict(stage.connection.execute(query).fetchall())

    wait(lambda: sent.keys() <= accepted().keys())
    found = accepted()
    return [(found[job] - moment) * 1000 for job, moment in sent.items()]


def _table(runs: list[dict[str, Any]]) -> Table:
    rows = [[title, spread([run[name] for run in runs])] for name, title in MEASURES.items()]
    p50 = shown(percentile([one for run in runs for one in run["ms"]], 50))
    return Table(["what", "measured"], [*rows, ["the same, p50, ms", p50]])


def _figures(runs: list[dict[str, Any]]) -> list[Figure]:
    value = {name: median(run[name] for run in runs) for name in MEASURES}
    return [
        Figure(MEASURES["transactions"], value["transactions"], "<=", 2, 1, ""),
        Figure(MEASURES["commands"], value["commands"], "<=", 5, 2, ""),
        Figure("processor time of a worker", value["processor"], "<=", 0.5, 0.2, "%"),
        Figure("a plain Celery app's job starts after, p99", value["starts"], "<=", 100, 20, "ms"),
    ]
