"""Counts as one bar and chunks as a map: numbers that templates turn into SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tagsweep.worker.jobs.inspection.chunk_map import STATES, Cell

#: cells of a map, those of a row, and rows of the table beside it
MOST_CELLS, COLUMNS, MOST_ROWS = 2_000, 100, 20
#: units of a cell, and how many of them are painted
SIZE, PAINTED = 10, 9
#: what a segment stands for, in the order of a job's counts after the total
_CLASSES = ("changed", "unchanged", "failed", "unprocessed")
#: the same of a merge: what has the other tag already loses the old one alone
_OF_MERGES = ("changed", "joined", "unchanged", "failed", "unprocessed")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar of counts, in percent."""

    word: str
    kind: str
    count: int
    start: float
    width: float


def segments(counts: dict[str, int]) -> list[Segment]:
    """Return a job's counts as parts of a bar; together they are all of it."""
    total, start, found = counts["total"], 0.0, []
    words = [(word, number) for word, number in counts.items() if word != "total"]
    classes = _OF_MERGES if "moved" in counts else _CLASSES
    for kind, (word, number) in zip(classes, words, strict=True):
        width = 100 * number / total if total else 0.0
        found.append(Segment(word, kind, number, round(start, 3), round(width, 3)))
        start += width
    return found


@dataclass(frozen=True, slots=True)
class Map:
    """The chunks of a job, or a stretch of them."""

    cells: Sequence[Cell]
    first: int
    last: int

    @property
    def columns(self) -> int:
        """How many cells a row has."""
        return max(1, min(COLUMNS, len(self.cells)))

    @property
    def width(self) -> int:
        """Its width in units."""
        return self.columns * SIZE

    @property
    def height(self) -> int:
        """Its height in units."""
        return -(-len(self.cells) // self.columns) * SIZE

    @property
    def per_cell(self) -> int:
        """How many chunks a cell stands for."""
        return self.cells[0].last - self.cells[0].first + 1 if self.cells else 1

    def paths(self) -> dict[str, str]:
        """Return one path for the cells of each state."""
        paths: dict[str, list[str]] = {state: [] for state in STATES}
        for number, cell in enumerate(self.cells):
            row, column = divmod(number, self.columns)
            square = f"M{column * SIZE} {row * SIZE}h{PAINTED}v{PAINTED}h-{PAINTED}z"
            paths[cell.state].append(square)
        return {state: "".join(squares) for state, squares in paths.items() if squares}

    def rows(self) -> list[Cell]:
        """Return the same chunks as a table of at most MOST_ROWS rows."""
        length = -(-len(self.cells) // MOST_ROWS) or 1
        runs = (self.cells[at : at + length] for at in range(0, len(self.cells), length))
        return [_joined(run) for run in runs]


def _joined(run: Sequence[Cell]) -> Cell:
    states: dict[str, Any] = {name: sum(cell.states[name] for cell in run) for name in STATES}
    return Cell(run[0].first, run[-1].last, sum(cell.items for cell in run), states)
