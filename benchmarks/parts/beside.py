"""Small jobs while the longest job runs: they must not wait for it."""

from __future__ import annotations

import threading
import time
from typing import Any

from benchmarks import contenders, ground, machine, processes, racing
from benchmarks.bench import Bench
from benchmarks.contenders import COMMAND, HERE
from benchmarks.ground import Ground
from benchmarks.parts.small import wait, warm_up
from benchmarks.racing import Stage, Wrong
from benchmarks.results import Figure, Part, Table, percentile, shown, spread
from benchmarks.trickle import FEW
from benchmarks.work import Work

METHOD = (
    "Twenty small jobs a second of one tenant, from the call to the event: for ten seconds while "
    "nothing else runs; from the moment a producer begins to send that tenant's longest job until "
    "the event of that job; and from the moment it begins to send ten jobs of a fifth of that "
    "length each until the last of them is split. `tagsweep worker` with two processes for large "
    "jobs and one for small ones. The jobs of all runs are taken together. Memory is what all "
    "processes of the worker have at the end, of what they share their part (PSS)."
)
RATE = 20
IDLE_S = 10
#: the classes of senders, and how many jobs each sends after its warm-up
BIG, TEN = (COMMAND.run, 1), (f"{HERE}.ours:Ten", 10)


def measure(bench: Bench) -> Part:
    """Measure it as often as is asked for."""
    template = bench.ground(ground.tall(bench.options.ids))
    big, small = bench.work(template, "many"), bench.work(template, "small")
    runs = []
    with bench.step("small jobs beside a big one", bench.options.runs) as step:
        for at in range(bench.options.runs):
            step(f"run {at + 1}")
            ten = _run(bench, template, big, small, TEN)
            run = _run(bench, template, big, small, BIG)
            runs.append({**run, "accepted_ms": ten["beside_ms"], "ten_s": ten["big_s"]})
    p99 = {name: _p(runs, name, 99) for name in ("beside_ms", "accepted_ms")}
    return Part(
        name="beside",
        title=f"Small jobs while one of {big.size:,} ids runs, or ten are accepted",
        command=machine.command("beside", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=[
            Figure("p99 beside the big job", p99["beside_ms"], "<=", 60, 30, "ms"),
            Figure("p99 while ten are accepted", p99["accepted_ms"], "<=", 100, 50, "ms"),
        ],
        raw={"ours": runs},
        machine=machine.describe(bench.servers),
    )


def _run(
    bench: Bench, template: Ground, big: Work, small: Work, large: tuple[str, int]
) -> dict[str, Any]:
    sender, jobs = large
    program = "benchmarks.trickle"
    path = bench.home / "big.json"
    big.save(path)
    driver = ["-m", "benchmarks.driver", sender, str(path)]
    only = contenders.ALL[bench.options.only[0]] if bench.options.only else COMMAND
    with (
        racing.staged(bench.servers, template, only, small, program) as stage,
        processes.sender(driver, stage.settings) as other,
    ):
        warm_up(stage, bench.options.warm)
        other.ask("warm up")
        stage.warm()
        idle = [] if jobs > 1 else stage.sender.ask("jobs_at", rate=RATE, times=RATE * IDLE_S)["ms"]
        beside, took = _beside(stage, other, jobs)
        every = bench.options.warm + len(idle) + len(beside)
        wait(lambda: _ended(stage) == every + jobs + 1)
        memory = _memory_mb(stage)
        _check(stage, template, big, every, jobs)
    return {"idle_ms": idle, "beside_ms": beside, "big_s": took, "memory_mb": memory}


def _beside(stage: Stage, other: processes.Sender, jobs: int) -> tuple[list[float], float]:
    """Return the latencies of the small jobs that were sent meanwhile, and how long that was."""
    answer: dict[str, Any] = {}
    going = threading.Thread(target=lambda: answer.update(other.ask("go")))
    begin = time.perf_counter()
    going.start()
    taken: list[float] = []
    while going.is_alive() or _split(stage) < jobs + 1:
        taken += stage.sender.ask("jobs_at", rate=RATE, times=RATE)["ms"]
    if "seconds" not in answer:
        raise Wrong("The big job was not sent, or did not come to its end.")
    return taken, answer["seconds"] if jobs == 1 else time.perf_counter() - begin


def _split(stage: Stage) -> int:
    """Return how many jobs are larger than small ones, and split."""
    query = "SELECT count(*) FROM tagsweep.job WHERE status <> 'queued' AND total > %s"
    return int(stage.connection.execute(query, [FEW]).fetchone()[0])  # type: ignore[index]  # one row


def _ended(stage: Stage) -> int:
    query = "SELECT count(*) FROM tagsweep.outbox WHERE published_at IS NOT NULL"
    return int(stage.connection.execute(query).fetchone()[0])  # type: ignore[index]  # the same


def _memory_mb(stage: Stage) -> float:
    every = [one for worker in stage.workers for one in worker.family()]
    return sum(float(one.memory_full_info().pss) for one in every) / 1e6


def _check(stage: Stage, template: Ground, big: Work, jobs: int, large: int) -> None:
    """Raise Wrong unless all jobs removed what they were to, and told so once."""
    links = big.size + jobs * FEW
    query = "SELECT count(*), sum(removed) FROM tagsweep.job WHERE status = 'succeeded'"
    row = stage.connection.execute(query).fetchone()
    left = sum(count for count, _ in ground.fingerprint(stage.connection).values())
    events = [one["id"] for one in stage.events()]
    every = jobs + large + 1  # with what the sender was warmed up with
    found = (*(row or ()), left, len(events), len(set(events)))
    expected = (every, links, template.layout.links - links, every, every)
    if found != expected:
        raise Wrong(f"The jobs did not do what they should: {found}, not {expected}.")


def _p(runs: list[dict[str, Any]], name: str, which: int) -> float:
    return percentile([one for run in runs for one in run[name]], which)


def _table(runs: list[dict[str, Any]]) -> Table:
    columns = ["small jobs", "how many", "p50, ms", "p99, ms", "the large jobs, s"]

    def row(what: str, name: str, took: str) -> list[str]:
        many = sum(len(run[name]) for run in runs)
        return [what, f"{many:,}", shown(_p(runs, name, 50)), shown(_p(runs, name, 99)), took]

    big, ten = (spread([run[name] for run in runs]) for name in ("big_s", "ten_s"))
    rows = [row("alone", "idle_ms", ""), row("beside it", "beside_ms", big)]
    memory = spread([run["memory_mb"] for run in runs])
    rows += [row("while ten are accepted", "accepted_ms", ten)]
    return Table(columns, [*rows, ["memory of the worker, MB", "", "", "", memory]])
