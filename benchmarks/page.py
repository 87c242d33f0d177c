"""docs/benchmarks.md: every part that is kept, with its command; written by nobody's hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import chart, results
from benchmarks.parts import ALL
from benchmarks.results import FIGURE_COLUMNS, Part, Table
from benchmarks.servers import SETTINGS

CHART = "benchmarks.svg"
RESULTS = Path("benchmarks") / "results.json"
#: what a person has to say on the figures; the rest of the page is ours
NOTES = Path("benchmarks") / "notes.md"

_HEAD = """# Benchmarks

How fast tagsweep is, next to the database's own limit and to what one would write oneself.
`make bench` measures it anew and writes this page; `make bench ARGS=one-tag` measures one part.
All single runs are in [{results}]({results}).
"""

_METHOD = """## Method

- Figures are ratios within one series: contenders take turns (A B A B), and medians count.
- Private servers on this machine: a PostgreSQL that writes through to the disk
  (`fsync` and `full_page_writes` on; {settings}), a Redis without persistence.
- A store whose heap is in random order, the worst case for neighbours in an index, is built once
  through the migrations. Each run begins with a copy of its files, all of it read into memory, and
  a checkpoint: so each run writes every page that it changes whole into the log, once.
- Two worker processes each, started and warmed up before anything is timed, by the same work on
  50,000 ids that are on no resource. Whoever sends is a process of its own.
- After each run the links left are compared with what must be left, by tag: their number, and a
  sum over a hash of their ids. A wrong result stops everything.
- The others are written as their own documentation has it: messages of 1,000 ids in the order in
  which they came, removed by the ORM's `delete().where(… in_(…))`; a chord's callback and a
  group's completion callback publish one event. Procrastinate has no groups: its sender asks for
  the queue's state. *Tuned* means: with our DELETE, without our record of what went, all ids
  sorted, and our size of a chunk. None of them keeps a record of the job or of what it removed.
"""


def write(docs: Path, part: Part) -> None:
    """Keep a part, and write the page and its chart anew from all that are kept."""
    kept = results.keep(docs / RESULTS, part)
    parts = [kept[name] for name in ALL if name in kept]
    (docs / CHART).write_text(chart.draw(parts))
    notes = docs / NOTES
    said = notes.read_text() if notes.exists() else ""
    (docs / "benchmarks.md").write_text("\n".join(_lines(parts, said)))


def _lines(parts: Sequence[Part], notes: str) -> Iterator[str]:
    yield _HEAD.format(results=RESULTS.as_posix())
    yield from _summary(parts)
    if any(part.bars for part in parts):
        yield f"![Seconds from the call to the event, by way]({CHART})\n"
    if notes:
        yield notes.strip() + "\n"
    yield _METHOD.format(settings=_settings())
    alike = all(part.machine == parts[0].machine for part in parts)
    if alike:
        yield "## Machine\n"
        yield _machine(parts[0].machine)
    for part in parts:
        yield f"## {part.title}\n"
        yield f"`{part.command}`\n"
        yield f"{part.method}\n"
        if not alike:
            yield _machine(part.machine)
        yield part.markdown() + "\n"


def _summary(parts: Sequence[Part]) -> Iterator[str]:
    figures = [one for part in parts for one in part.figures]
    reached = sum(one.reached for one in figures)
    yield f"## Summary: {reached} of {len(figures)} figures reached\n"
    rows = [[part.name, *one.cells()] for part in parts for one in part.figures]
    yield Table(["part", *FIGURE_COLUMNS], rows).markdown() + "\n"


def _settings() -> str:
    return ", ".join(f"`{name}={value}`" for name, value in SETTINGS.items())


def _machine(machine: Mapping[str, str]) -> str:
    return Table(["what", "which"], list(machine.items())).markdown() + "\n"
