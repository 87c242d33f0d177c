"""The embedded default: a fifth of all links of a SQLite file, next to its own best statement."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from uuid import UUID

from benchmarks import file, ground, machine, processes
from benchmarks.bench import Bench, middle, seconds
from benchmarks.file import File
from benchmarks.racing import Wrong
from benchmarks.results import Figure, Part, Table, shown, spread
from benchmarks.work import Work

METHOD = (
    "One process, its worker running. From the call that sends the list to the event in the "
    "store's feed; of the statement, with the loading of the ids, in the order of the key, into "
    "a temporary table, which *DELETE alone* leaves out. Both write through to the disk "
    "(`synchronous=FULL`, write-ahead log). After every run the links left and the job's row are "
    "checked."
)
WAYS = {
    "statement": ("one DELETE", "benchmarks.contenders.statement:Run"),
    "ours": ("tagsweep, embedded", "benchmarks.contenders.embedded:Run"),
}


def measure(bench: Bench) -> Part:
    """Run both in turns."""
    layout = ground.wide(bench.options.links)
    with bench.step("a SQLite file", 1):
        template = File(bench.home, layout)
    work = template.work("one")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
    with bench.step("sqlite", len(WAYS) * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for name, (_, program) in WAYS.items():
                step(name)
                runs[name].append(_run(bench, template, program, work))
    return Part(
        name="sqlite",
        title=f"SQLite: 1 tag x {work.size:,} ids, of {layout.links:,} links",
        command=machine.command("sqlite", bench.options),
        method=METHOD,
        table=_table(runs),
        figures=_figures(runs),
        raw=dict(runs),
        bars={title: middle(runs[name]) for name, (title, _) in WAYS.items()},
        machine=machine.describe(bench.servers),
    )


def _run(bench: Bench, template: File, program: str, work: Work) -> dict[str, Any]:
    url = template.copy()
    path = bench.home / "sqlite.json"
    work.save(path)
    arguments = ["-m", "benchmarks.driver", program, str(path)]
    with processes.sender(arguments, {"database_url": url}) as sender:
        sender.ask("warm up")
        with closing(file.opened(url)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            measured = sender.ask("go")
            _check(connection, template, work, measured.get("job"))
    return measured


def _check(connection: Any, template: File, work: Work, job_id: str | None) -> None:
    expected = {name: count for name, count in template.counts.items() if name not in work.tags}
    if file.counts(connection) != expected:
        raise Wrong("The links left in the SQLite file are not those that must be.")
    if job_id is None:
        return
    query = "SELECT status, removed, total FROM job WHERE id = ?"
    row = connection.execute(query, (UUID(job_id).bytes,)).fetchone()
    if row != ("succeeded", work.size, work.size):
        raise Wrong(f"The job's row tells {row}, not {work.size} removed.")


def _table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    columns = ["way", "seconds: median [least to most]", "x one DELETE", "x DELETE alone"]
    best, alone = middle(runs["statement"]), middle(runs["statement"], "delete_s")
    rows = []
    for name, found in runs.items():
        taken = middle(found)
        ratios = [shown(taken / best), shown(taken / alone)]
        rows.append([WAYS[name][0], spread(seconds(found)), *ratios])
    return Table(columns, rows)


def _figures(runs: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    ours, best = middle(runs["ours"]), runs["statement"]
    return [
        Figure("tagsweep's time, of the statement's", ours / middle(best), "<=", 2, 1.3),
        Figure("the same, of the DELETE alone", ours / middle(best, "delete_s"), "<=", 2, 1.3),
    ]
