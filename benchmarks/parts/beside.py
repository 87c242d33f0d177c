"""Small jobs while the longest job runs: they must not wait for it."""

from __future__ import annotations

import threading
from typing import Any

from benchmarks import ground, machine, processes, racing
from benchmarks.bench import Bench
from benchmarks.contenders import OURS
from benchmarks.ground import Ground
from benchmarks.parts.small import warm_up
from benchmarks.racing import Stage, Wrong
from benchmarks.results import Figure, Part, Table, percentile, shown, spread
from benchmarks.trickle import FEW
from benchmarks.work import Work

METHOD = (
    "Twenty small jobs a second of one tenant, from the call to the event: for ten seconds while "
    "nothing else runs, then from the moment a producer begins to send that tenant's longest job "
    "until the event of that job. The jobs of all runs are taken together."
)
RATE = 20
IDLE_S = 10


def measure(bench: Bench) -> Part:
    """Measure it as often as is asked for."""
    template = bench.ground(ground.tall(bench.options.ids))
    big, small = bench.work(template, "many"), bench.work(template, "small")
    runs = []
    with bench.step("small jobs beside a big one", bench.options.runs) as step:
        for at in range(bench.options.runs):
            step(f"run {at + 1}")
            runs.append(_run(bench, template, big, small))
    return Part(
        name="beside",
        title=f"Small jobs while one of {big.size:,} ids runs",
        command=machine.command("beside", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=[
            Figure("p99 beside the big job", _p(runs, "beside_ms", 99), "<=", 400, 100, "ms"),
        ],
        raw={"ours": runs},
        machine=machine.describe(bench.servers),
    )


def _run(bench: Bench, template: Ground, big: Work, small: Work) -> dict[str, Any]:
    program = "benchmarks.trickle"
    path = bench.home / "big.json"
    big.save(path)
    driver = ["-m", "benchmarks.driver", OURS.run, str(path)]
    with (
        racing.staged(bench.servers, template, OURS, small, program) as stage,
        processes.sender(driver, stage.settings) as other,
    ):
        warm_up(stage, bench.options.warm)
        other.ask("warm up")
        stage.warm()
        idle = stage.sender.ask("jobs_at", rate=RATE, times=RATE * IDLE_S)["ms"]
        beside, took = _beside(stage, other)
        _check(stage, template, big, bench.options.warm + len(idle) + len(beside))
    return {"idle_ms": idle, "beside_ms": beside, "big_s": took}


def _beside(stage: Stage, other: processes.Sender) -> tuple[list[float], float]:
    """Return the latencies of the small jobs that were sent before the big one's event."""
    answer: dict[str, Any] = {}
    going = threading.Thread(target=lambda: answer.update(other.ask("go")))
    going.start()
    taken: list[float] = []
    while going.is_alive():
        taken += stage.sender.ask("jobs_at", rate=RATE, times=RATE)["ms"]
    if "seconds" not in answer:
        raise Wrong("The big job did not come to its end.")
    return taken, answer["seconds"]


def _check(stage: Stage, template: Ground, big: Work, jobs: int) -> None:
    """Raise Wrong unless all jobs removed what they were to, and told so once."""
    links = big.size + jobs * FEW
    query = "SELECT count(*), sum(removed) FROM tagsweep.job WHERE status = 'succeeded'"
    row = stage.connection.execute(query).fetchone()
    left = sum(count for count, _ in ground.fingerprint(stage.connection).values())
    events = [one["id"] for one in stage.events()]
    every = jobs + 2  # the big one, and what it was warmed up with
    found = (*(row or ()), left, len(events), len(set(events)))
    expected = (every, links, template.layout.links - links, every, every)
    if found != expected:
        raise Wrong(f"The jobs did not do what they should: {found}, not {expected}.")


def _p(runs: list[dict[str, Any]], name: str, which: int) -> float:
    return percentile([one for run in runs for one in run[name]], which)


def _table(runs: list[dict[str, Any]]) -> Table:
    columns = ["small jobs", "how many", "p50, ms", "p99, ms", "the big job, s"]

    def row(what: str, name: str, took: str) -> list[str]:
        many = sum(len(run[name]) for run in runs)
        return [what, f"{many:,}", shown(_p(runs, name, 50)), shown(_p(runs, name, 99)), took]

    big = spread([run["big_s"] for run in runs])
    return Table(columns, [row("alone", "idle_ms", ""), row("beside it", "beside_ms", big)])
