"""What a job costs by its length: processor time, log, index pages; and a line through it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg

from benchmarks import ground, machine, processes, racing
from benchmarks.bench import Bench
from benchmarks.contenders import OURS
from benchmarks.ground import Ground
from benchmarks.racing import Stage
from benchmarks.results import Figure, Part, Table, shown, spread
from benchmarks.work import Work

METHOD = (
    "Jobs of three lengths on the same store. Processor time is that of all server processes of "
    "PostgreSQL, and of all worker processes; log is how far PostgreSQL's write-ahead log moved on "
    "(every run begins at a checkpoint, so each page that it touches is in there whole, once); "
    "index pages are those of the links' indexes that were looked at. Predicted: a straight line "
    "through the shortest and the longest job; beside it what the one between them took."
)
#: what is measured, and what the tables call it
MEASURES = {
    "seconds": "seconds from the call to the event",
    "postgres_s": "processor seconds of PostgreSQL",
    "workers_s": "processor seconds of the workers",
    "wal_mb": "MB of write-ahead log",
    "index_pages": "pages of the links' indexes looked at",
}
_INDEX_PAGES = """
SELECT coalesce(sum(idx_blks_hit + idx_blks_read), 0) FROM pg_statio_all_tables
WHERE relname = 'tag_link'
"""


@dataclass(frozen=True)
class Meter:
    """How much was used up to a moment."""

    postgres_s: float
    workers_s: float
    wal_mb: float
    index_pages: float

    def since(self, before: Meter) -> dict[str, float]:
        """Return how much was used since an earlier moment."""
        return {name: one - getattr(before, name) for name, one in vars(self).items()}


def measure(bench: Bench) -> Part:
    """Run jobs of three lengths in turns."""
    template = bench.ground(ground.stepped(bench.options.links))
    works = [bench.work(template, name) for name in ("short", "middle", "long")]
    runs: dict[str, list[dict[str, Any]]] = {f"{work.size}": [] for work in works}
    with bench.step("cost", len(works) * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for work in works:
                step(f"{work.size:,} ids")
                runs[f"{work.size}"].append(_run(bench, template, work))
    return Part(
        name="cost",
        title="What a job costs, by its length",
        command=machine.command("cost", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=_figures(runs),
        raw=dict(runs),
        machine=machine.describe(bench.servers),
    )


def _run(bench: Bench, template: Ground, work: Work) -> dict[str, Any]:
    program = ("benchmarks.driver", OURS.run)
    with racing.staged(bench.servers, template, OURS, work, *program) as stage:
        stage.sender.ask("warm up")
        busy = stage.warm()
        before = _read(stage)
        measured = stage.sender.ask("go")
        used = _read(stage).since(before)
        racing.check(stage.connection, template, work)
        racing.check_job(stage, measured["job"], work)
    return {**measured, **used, "busy": busy}


def _read(stage: Stage) -> Meter:
    # what a backend has counted is told to all a moment after it has nothing to do
    stage.connection.execute("SELECT pg_sleep(1.2), pg_stat_clear_snapshot()")
    wal = _number(stage.connection, "SELECT pg_current_wal_lsn() - '0/0'")
    pages = _number(stage.connection, _INDEX_PAGES)
    workers = sum(processes.processor_s(one) for worker in stage.workers for one in worker.family())
    return Meter(processes.postgres_s(stage.connection), workers, wal / 2**20, pages)


def _number(connection: psycopg.Connection, query: str) -> float:
    row = connection.execute(query.encode()).fetchone()
    return float(row[0]) if row else 0.0


def _line(runs: dict[str, list[dict[str, Any]]], name: str) -> tuple[float, float, float, float]:
    """Return a line's height at no id, its slope per million, and the middle: line and measured."""
    sizes = sorted(int(size) for size in runs)
    short, middle, long = (median(run[name] for run in runs[str(size)]) for size in sizes)
    slope = (long - short) / (sizes[2] - sizes[0])
    start = short - slope * sizes[0]
    return start, slope * 1e6, start + slope * sizes[1], middle


def _table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    sizes = sorted(runs, key=int)
    columns = ["what", *(f"{int(size):,} ids" for size in sizes)]
    columns += ["of any job", "per million ids", f"predicted at {int(sizes[1]):,}"]
    rows = []
    for name, what in MEASURES.items():
        start, slope, predicted, _ = _line(runs, name)
        cells = [spread([run[name] for run in runs[size]]) for size in sizes]
        rows.append([what, *cells, shown(start), shown(slope), shown(predicted)])
    return Table(columns, rows)


def _figures(runs: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    _, _, predicted, measured = _line(runs, "seconds")
    off = abs(measured / predicted - 1) * 100
    return [Figure("seconds of the middle job, off the line", off, "<=", 20, None, "%")]
