"""A fifth of all links removed by one job: next to the limit, and to what one writes oneself."""

from __future__ import annotations

from typing import Any

from benchmarks import ground, machine
from benchmarks.bench import Bench, middle, seconds
from benchmarks.contenders import ALL
from benchmarks.results import Figure, Part, Table, shown, spread

METHOD = (
    "From the call that sends the list to the event in the stream; for the limit to its commit, "
    "with the COPY of the ids into the temporary table, which *DELETE alone* leaves out. Two "
    "worker processes each. After every run the links left are compared with what must be left, "
    "and for tagsweep the job's row and its one event."
)
#: contender -> how many times faster than it we are to be, and the stretch
RIVALS: dict[str, tuple[float, float | None]] = {
    "chord": (3.8, None),
    "dramatiq": (3.0, None),
    "procrastinate": (4.5, None),
    "script": (6.0, None),
    "tuned-dramatiq": (1.15, 1.5),
    "tuned-chord": (1.15, 1.5),
}


def one_tag(bench: Bench) -> Part:
    """Take one tag off a fifth as many resources as there are links."""
    return _measure(bench, "one-tag", "one")


def ten_tags(bench: Bench) -> Part:
    """Take ten tags off a fiftieth as many resources."""
    return _measure(bench, "ten-tags", *(f"ten-{at}" for at in range(10)))


def _measure(bench: Bench, name: str, *tags: str) -> Part:
    layout = ground.wide(bench.options.links)
    template = bench.ground(layout)
    work = bench.work(template, *tags)
    runs = bench.race(template, work, list(ALL))
    many = "1 tag" if len(tags) == 1 else f"{len(tags)} tags"
    return Part(
        name=name,
        title=f"{many} x {work.size:,} ids, of {layout.links:,} links",
        command=machine.command(name, bench.options),
        method=METHOD,
        table=_table(runs, work.size * len(tags)),
        figures=_figures(runs),
        raw=dict(runs),
        bars={ALL[one].title: middle(found) for one, found in runs.items()},
        machine=machine.describe(bench.servers),
    )


def _table(runs: dict[str, list[dict[str, Any]]], links: int) -> Table:
    columns = ["way", "seconds: median [least to most]", "links/s", "x limit", "x DELETE alone"]
    limit, alone = _limits(runs)
    rows = []
    for name, found in runs.items():
        taken = middle(found)
        ratios = [shown(taken / limit), shown(taken / alone)] if limit else ["", ""]
        rows.append([ALL[name].title, spread(seconds(found)), shown(links / taken), *ratios])
    return Table(columns, rows)


def _limits(runs: dict[str, list[dict[str, Any]]]) -> tuple[float, float]:
    if "limit" not in runs:
        return 0, 0
    return middle(runs["limit"]), middle(runs["limit"], "delete_s")


def _figures(runs: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    if "ours" not in runs:
        return []
    ours = middle(runs["ours"])
    selected = middle(runs["select"]) if "select" in runs else None
    limit, alone = _limits(runs)
    figures = []
    if limit:
        figures.append(Figure("tagsweep's time, of the limit's", ours / limit, "<=", 1.3, 1.0))
        figures.append(
            Figure("the same, of the limit's DELETE alone", ours / alone, "<=", 1.3, 1.0)
        )
    if selected:
        what = 'with "*", of its time with the ids listed'
        figures.append(Figure(what, selected / ours, "<=", 0.8))
    for name, (reach, stretch) in RIVALS.items():
        if name in runs:
            what = f"times faster than {ALL[name].title}"
            figures.append(Figure(what, middle(runs[name]) / ours, ">=", reach, stretch))
    return figures
