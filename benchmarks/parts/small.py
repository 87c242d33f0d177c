"""Small jobs: how many a second, and how soon each; next to Celery itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks import ground, machine, processes, racing
from benchmarks.bench import Bench
from benchmarks.contenders import NOBODY, NOOP, OURS, Contender
from benchmarks.ground import Ground
from benchmarks.racing import Stage, Wrong
from benchmarks.results import Figure, Part, Table, percentile, shown, spread
from benchmarks.trickle import FEW
from benchmarks.work import Work
from tests.support.wire import STREAM

METHOD = (
    "One tag off ten resources, of the store of the big jobs. *Drained*: the workers are warmed "
    "up, stopped (SIGSTOP) while all jobs are sent, and timed from when they go on to the last "
    "event (to the last no-op taken). *Latency*: at 50 a second, from the call to the event in "
    "the stream; of a no-op from `send_task` to the return of `get`. *Enqueued*: one process, no "
    "workers, `TagSweep.detach` and `send_task` of the same job in turns. Every job's row, every "
    "event and the number of links left are checked."
)
RATE = 50

Runs = dict[str, list[dict[str, Any]]]


def measure(bench: Bench) -> Part:
    """Measure all of it, ours and Celery in turns."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, "one")
    ways = {"ours": _ours, "noop": _noop, "enqueue": _enqueue}
    raw: Runs = {name: [] for name in ways}
    with bench.step("small jobs", len(ways) * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for name, way in ways.items():
                step(name)
                raw[name].append(way(bench, template, work))
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
    jobs, slow, warm = bench.options.jobs, bench.options.jobs // 5, bench.options.warm
    with staged(bench, template, OURS, work) as stage:
        warm_up(stage, warm)
        stage.warm()  # not before: workers that start would be taken for other programs
        before = _used(stage)
        taken = drain(stage, "job", jobs, lambda: published(stage) == warm + jobs)
        used = {name: (end - before[name]) / jobs * 1e3 for name, end in _used(stage).items()}
        paced = stage.sender.ask("jobs_at", rate=RATE, times=slow)
        check(stage, template, warm + jobs + slow)
    return {"drained": jobs / taken, "ms": paced["ms"], "processor_ms": used}


def _used(stage: Stage) -> dict[str, float]:
    """Return the processor seconds that everybody has used who has to do with a job."""
    family = [one for worker in stage.workers for one in worker.family()]
    parents = {worker.family()[0].pid for worker in stage.workers}
    server: Any = stage.redis.info("cpu")
    return {
        "Celery's own process": sum(processes.processor_s(p) for p in family if p.pid in parents),
        "the pool processes": sum(processes.processor_s(p) for p in family if p.pid not in parents),
        "PostgreSQL": processes.postgres_s(stage.connection),
        "Redis": server["used_cpu_user"] + server["used_cpu_sys"],
    }


def _noop(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    jobs = bench.options.jobs
    with staged(bench, template, NOOP, work) as stage:

        def done() -> bool:
            waiting: Any = stage.redis.llen("celery")
            return not waiting + stage.redis.hlen("unacked")

        stage.sender.ask("enqueue", what="noop", times=bench.options.warm)
        wait(done)
        stage.warm()
        taken = drain(stage, "noop", jobs, done)
        paced = stage.sender.ask("noops_at", rate=RATE, times=jobs // 5)
    return {"drained": jobs / taken, "ms": paced["ms"]}


def _enqueue(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    jobs = max(bench.options.jobs // 2, 100)
    rates = {}
    with staged(bench, template, NOBODY, work) as stage:
        for what in ("job", "task"):
            stage.sender.ask("enqueue", what=what, times=bench.options.warm)
        for what in ("job", "task"):
            taken = stage.sender.ask("enqueue", what=what, times=jobs)
            rates[what] = jobs / taken["seconds"]
    return rates


@contextmanager
def staged(bench: Bench, template: Ground, contender: Contender, work: Work) -> Iterator[Stage]:
    """Give a stage whose sender sends small things."""
    program = "benchmarks.trickle"
    with racing.staged(bench.servers, template, contender, work, program) as stage:
        yield stage


def warm_up(stage: Stage, times: int) -> None:
    """Return once the workers have done so many small jobs, their first."""
    stage.sender.ask("enqueue", what="job", times=times)
    wait(lambda: published(stage) == times)


def drain(stage: Stage, what: str, times: int, done: Callable[[], bool]) -> float:
    """Send all while the workers are stopped; return the seconds that they then take."""
    family = [one for worker in stage.workers for one in worker.family()]
    for one in family:
        one.send_signal(signal.SIGSTOP)
    stage.sender.ask("enqueue", what=what, times=times)
    start = time.perf_counter()
    for one in family:
        one.send_signal(signal.SIGCONT)
    wait(done)
    return time.perf_counter() - start


def wait(done: Callable[[], object]) -> None:
    """Return once ``done`` says so; raises Wrong where it never does."""
    end = time.monotonic() + processes.PATIENCE_S
    while not done():
        if time.monotonic() > end:
            raise Wrong("The jobs did not come to an end.")
        time.sleep(0.005)


def published(stage: Stage) -> int:
    """Return how many events there are."""
    length: Any = stage.redis.xlen(STREAM)
    return int(length)


def check(stage: Stage, template: Ground, jobs: int) -> None:
    """Raise Wrong unless each of so many jobs removed its ten links and told so once."""
    query = "SELECT count(*), sum(removed), sum(total) FROM tagsweep.job WHERE status = 'succeeded'"
    row = stage.connection.execute(query).fetchone()
    left = sum(count for count, _ in ground.fingerprint(stage.connection).values())
    events = stage.events()
    right = {one["id"] for one in events if one["data"]["counts"]["removed"] == FEW}
    links = jobs * FEW
    expected = (jobs, links, links, template.layout.links - links, jobs, jobs)
    found = (*(row or ()), left, len(events), len(right))
    if found != expected:
        raise Wrong(f"Small jobs did not do what they should: {found}, not {expected}.")


def _pairs(raw: Runs) -> dict[str, tuple[list[float], list[float]]]:
    """Return what was measured of ours and of Celery, a value for each run."""
    ours, noop, sent = raw["ours"], raw["noop"], raw["enqueue"]

    def latency(which: int) -> tuple[list[float], list[float]]:
        return _each(ours, which), _each(noop, which)

    return {
        "drained per second": ([r["drained"] for r in ours], [r["drained"] for r in noop]),
        "latency p50, ms": latency(50),
        "latency p99, ms": latency(99),
        "enqueued per second": ([r["job"] for r in sent], [r["task"] for r in sent]),
    }


def _each(runs: list[dict[str, Any]], which: int) -> list[float]:
    return [percentile(run["ms"], which) for run in runs]


def _table(raw: Runs) -> Table:
    rows = [
        [what, spread(ours), spread(theirs), shown(median(ours) / median(theirs))]
        for what, (ours, theirs) in _pairs(raw).items()
    ]
    used = [run["processor_ms"] for run in raw["ours"]]
    rows += [
        [f"processor time a drained job, ms: {who}", spread([one[who] for one in used]), "", ""]
        for who in used[0]
    ]
    return Table(["what", "tagsweep, a job", "Celery alone, a no-op", "ratio"], rows)


def _figures(raw: Runs) -> list[Figure]:
    drained, p50, p99, sent = (median(a) / median(b) for a, b in _pairs(raw).values())
    return [
        Figure("small jobs drained per second, of no-op tasks", drained, ">=", 1, 1.5),
        Figure("p50 from send to event, of a no-op's round trip", p50, "<=", 1.8, 1.3),
        Figure("p99 from send to event, of a no-op's round trip", p99, "<=", 1.8, 1.3),
        Figure("enqueued per second, of `send_task` of the same", sent, ">=", 0.8),
    ]
