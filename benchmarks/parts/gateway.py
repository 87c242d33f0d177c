"""Small jobs over HTTP, each waiting for its end; next to the same jobs straight to the broker."""

from __future__ import annotations

import json
import time
from contextlib import closing
from statistics import median
from typing import Any

from benchmarks import ground, machine, processes
from benchmarks.bench import Bench
from benchmarks.contenders import OURS
from benchmarks.ground import TENANT, Ground
from benchmarks.parts.small import check, published, staged, wait, warm_up
from benchmarks.racing import Stage
from benchmarks.results import Figure, Part, Table, percentile, shown, spread
from benchmarks.trickle import FEW
from benchmarks.work import Work
from tests.servers.processes import free_port

METHOD = (
    "One gateway process, two worker processes. *HTTP*: 32 connections, each of which sends a "
    "small detach, waits for its answer 200 (the job has ended), and sends the next. *Broker*: "
    "one process sends the same jobs as fast as it can, timed to the last event. Every job's row, "
    "every event and the number of links left are checked."
)
CONNECTIONS = 32


def measure(bench: Bench) -> Part:
    """Measure both ways in turns."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, "one")
    ways = {"http": _http, "broker": _broker}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    with bench.step("gateway", len(ways) * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for name, way in ways.items():
                step(name)
                runs[name].append(way(bench, template, work))
    http, broker = ([run["rate"] for run in runs[name]] for name in ways)
    return Part(
        name="gateway",
        title=f"Gateway: {bench.options.jobs:,} synchronous small jobs, 1 tag x {FEW} ids",
        command=machine.command("gateway", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=[
            Figure("requests/s, of jobs/s by the broker", median(http) / median(broker), ">=", 0.4)
        ],
        raw=dict(runs),
        machine=machine.describe(bench.servers),
    )


def _broker(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    jobs, warm = bench.options.jobs, bench.options.warm
    with staged(bench, template, OURS, work) as stage:
        warm_up(stage, warm)
        stage.warm()
        start = time.perf_counter()
        stage.sender.ask("enqueue", what="job", times=jobs)
        wait(lambda: published(stage) == warm + jobs)
        taken = time.perf_counter() - start
        check(stage, template, warm + jobs)
    return {"rate": jobs / taken}


def _http(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    jobs, warm, port = bench.options.jobs, bench.options.warm, free_port()
    with staged(bench, template, OURS, work) as stage:
        # the ceiling on one tenant's requests is for others to be served, not to be measured
        settings = {**stage.settings, "requests_per_s": 1_000_000}
        serve = ("-m", "tagsweep.producer.cli", "serve", "--port", str(port))
        with processes.workers([serve], settings) as gateways:
            wait(lambda: processes.listens(port) or gateways[0].ended)
            with closing(_callers(bench, stage, port, work)) as callers:
                callers.ask("post", connections=CONNECTIONS, times=warm)
                stage.warm()
                measured = callers.ask("post", connections=CONNECTIONS, times=jobs)
            gateways[0].check()
        wait(lambda: published(stage) == warm + jobs)  # an answer may precede its event
        check(stage, template, warm + jobs)
    ms = {f"p{which}": percentile(measured["ms"], which) for which in (50, 99)}
    return {"rate": jobs / measured["seconds"], **ms}


def _callers(bench: Bench, stage: Stage, port: int, work: Work) -> processes.Sender:
    create = ["-m", "tagsweep.producer.cli", "keys", "create", "--tenant", TENANT, "--json"]
    key = json.loads(processes.finish(create, **stage.settings))["key"]
    path = bench.home / "gateway.json"
    work.save(path)
    return processes.Sender(["-m", "benchmarks.callers", str(port), key, str(path)], stage.settings)


def _table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    http, broker = runs["http"], runs["broker"]

    def cells(runs: list[dict[str, Any]], *names: str) -> list[str]:
        return [spread([run[name] for run in runs]) for name in names]

    ratio = median(run["rate"] for run in http) / median(run["rate"] for run in broker)
    rows = [
        ["HTTP, 32 connections", *cells(http, "rate", "p50", "p99"), shown(ratio)],
        ["straight to the broker", *cells(broker, "rate"), "", "", shown(1)],
    ]
    return Table(["way", "jobs/s", "p50, ms", "p99, ms", "ratio"], rows)
