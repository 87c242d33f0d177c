"""Small jobs over HTTP, each waiting for its end; next to what people would write themselves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from statistics import median

from benchmarks import ground, machine, processes
from benchmarks.bench import Bench
from benchmarks.contenders import NOBODY, OURS, Contender
from benchmarks.ground import Ground
from benchmarks.parts.small import check, published, staged, wait, warm_up
from benchmarks.racing import Stage, Wrong
from benchmarks.results import Figure, Part, Table, percentile, shown, spread
from benchmarks.trickle import FEW
from benchmarks.work import Work
from tests.servers.processes import free_port

METHOD = (
    "One gateway process, two worker processes, eight tenants with a key each, all limits as by "
    "default. *Gateway*: 32 connections, each of which sends a small detach, waits for its answer "
    "200 (the job has ended), and sends the next; then one connection alone. *Plain endpoint*: the "
    "same calls to FastAPI and SQLAlchemy that select the tags, delete the links, move the tags' "
    "times and commit: no job, no receipt, no event, no undo. *Broker*: one process sends the same "
    "jobs as fast as it can, timed to the last event. Any answer but 200 fails the run; every "
    "job's row, every event and the number of links left are checked."
)
CONNECTIONS = 32
TENANTS = [f"tenant-{number}" for number in range(8)]

_SHARE = """
WITH own AS (INSERT INTO tagsweep.tag (tenant, name) VALUES (%s, %s) RETURNING id)
INSERT INTO tagsweep.tag_link (tag_id, resource_type, resource_id)
SELECT own.id, %s, unnest(%s::uuid[]) FROM own
"""

#: what was measured in one run
Run = dict[str, float]


def measure(bench: Bench) -> Part:
    """Measure all ways in turns."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, "one")
    ways = {"gateway": _gateway, "endpoint": _endpoint, "broker": _broker}
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    with bench.step("gateway", len(ways) * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for name, way in ways.items():
                step(name)
                runs[name].append(way(bench, template, work))
    return Part(
        name="gateway",
        title=f"Gateway: {bench.options.jobs:,} synchronous small jobs, 1 tag x {FEW} ids",
        command=machine.command("gateway", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=_figures(runs),
        raw=dict(runs),
        machine=machine.describe(bench.servers),
    )


def _broker(bench: Bench, template: Ground, work: Work) -> Run:
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


def _gateway(bench: Bench, template: Ground, work: Work) -> Run:
    serve = ("-m", "tagsweep.producer.cli", "serve", "--port")
    with shared(bench, template, OURS, work) as stage:
        keys = [key(stage, tenant) for tenant in TENANTS]
        measured, sent = called(bench, stage, work, serve, keys)
        wait(lambda: published(stage) == sent)  # an answer may precede its event
        check(stage, template, sent)
    return measured


def _endpoint(bench: Bench, template: Ground, work: Work) -> Run:
    keys = {f"key-of-{tenant}": tenant for tenant in TENANTS}
    os.environ["BENCH_KEYS"] = json.dumps(keys)
    serve = ("-m", "uvicorn", "benchmarks.contenders.endpoint:app", "--no-access-log", "--port")
    with shared(bench, template, NOBODY, work) as stage:
        measured, sent = called(bench, stage, work, serve, list(keys))
        left = sum(count for count, _ in ground.fingerprint(stage.connection).values())
        if left != template.layout.links - sent * FEW:
            raise Wrong(f"The endpoint left {left} links after {sent} calls.")
    return measured


@contextmanager
def shared(bench: Bench, template: Ground, contender: Contender, work: Work) -> Iterator[Stage]:
    """Give a stage on which the tag is eight tenants', each of whom has its share of the links."""
    with staged(bench, template, contender, work) as stage:
        ids = work.ids[: FEW * _calls(bench)]
        for number, tenant in enumerate(TENANTS):
            own = [one for at, one in enumerate(ids) if at // FEW % len(TENANTS) == number]
            stage.connection.execute(_SHARE, (tenant, work.names[0], ground.LIST_NUMBER, own))
        stage.connection.execute(
            "DELETE FROM tagsweep.tag_link WHERE tag_id = %s AND resource_id = ANY (%s::uuid[])",
            (work.tag_ids[0], ids),
        )
        stage.connection.execute("VACUUM ANALYZE tagsweep.tag_link")
        yield stage


def _calls(bench: Bench) -> int:
    return bench.options.warm + bench.options.jobs + _alone(bench)


def _alone(bench: Bench) -> int:
    return max(bench.options.jobs // 10, 20)


def nothing(_: int) -> AbstractContextManager[None]:
    """Do nothing beside the calls."""
    return nullcontext()


def called(  # noqa: PLR0913  # what is served, to whom, and what goes on beside it
    bench: Bench,
    stage: Stage,
    work: Work,
    serve: Sequence[str],
    keys: Sequence[str],
    *,
    beside: Callable[[int], AbstractContextManager[None]] = nothing,
) -> tuple[Run, int]:
    """Serve, and call; return what was measured, and how many calls there were.

    ``beside`` gets the port, and what it gives is entered while it is measured.
    """
    port = free_port()
    with processes.workers([(*serve, str(port))], stage.settings) as servers:
        wait(lambda: processes.listens(port) or servers[0].ended)
        with closing(_callers(bench, stage, port, keys, work)) as callers:
            callers.ask("post", connections=CONNECTIONS, times=bench.options.warm)
            stage.warm()
            with beside(port):
                many = callers.ask("post", connections=CONNECTIONS, times=bench.options.jobs)
            one = callers.ask("post", connections=1, times=_alone(bench))
        servers[0].check()
    measured = {f"p{which}": percentile(many["ms"], which) for which in (50, 99)}
    rate = bench.options.jobs / many["seconds"]
    return {"rate": rate, **measured, "alone": median(one["ms"])}, _calls(bench)


def key(stage: Stage, tenant: str) -> str:
    """Return a new key of the tenant."""
    create = ["-m", "tagsweep.producer.cli", "keys", "create", "--tenant", tenant, "--json"]
    made: str = json.loads(processes.finish(create, **stage.settings))["key"]
    return made


def _callers(
    bench: Bench, stage: Stage, port: int, keys: Sequence[str], work: Work
) -> processes.Sender:
    path = bench.home / "gateway.json"
    work.save(path)
    arguments = ["-m", "benchmarks.callers", str(port), ",".join(keys), str(path)]
    return processes.Sender(arguments, stage.settings)


def _medians(runs: dict[str, list[Run]], name: str, measure: str) -> float:
    return median(run[measure] for run in runs[name])


def _table(runs: dict[str, list[Run]]) -> Table:
    rows = []
    plain = _medians(runs, "endpoint", "rate")
    for name, title in (("gateway", "tagsweep"), ("endpoint", "plain endpoint")):
        cells = [
            spread([run[one] for run in runs[name]]) for one in ("rate", "p50", "p99", "alone")
        ]
        rows.append([title, *cells, shown(_medians(runs, name, "rate") / plain)])
    broker = spread([run["rate"] for run in runs["broker"]])
    ratio = shown(_medians(runs, "broker", "rate") / plain)
    rows.append(["tagsweep, straight to the broker", broker, "", "", "", ratio])
    return Table(["way", "jobs/s", "p50, ms", "p99, ms", "alone: p50, ms", "ratio"], rows)


def _figures(runs: dict[str, list[Run]]) -> list[Figure]:
    def ratio(measure: str, than: str) -> float:
        return _medians(runs, "gateway", measure) / _medians(runs, than, measure)

    return [
        Figure("requests/s, of a plain endpoint's", ratio("rate", "endpoint"), ">=", 2, 3),
        Figure("alone, p50, of a plain endpoint's", ratio("alone", "endpoint"), "<=", 1.3, 1),
        Figure("requests/s, of jobs/s by the broker", ratio("rate", "broker"), ">=", 0.4),
    ]
