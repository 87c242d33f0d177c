"""What was measured, as it is kept in a file and shown in tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """One figure beside the one to reach.

    Args:
        what: What it is, in words.
        value: What was measured.
        sense: On which side of ``reach`` it should be.
        unit: ``x`` (times something), ``ms``, ``MB``, or nothing.
        stretch: What would be better still.
    """

    what: str
    value: float
    sense: Literal["<=", ">="]
    reach: float
    stretch: float | None = None
    unit: str = "x"

    @property
    def reached(self) -> bool:
        """Whether it is as good as it should be."""
        return self.is_as_good_as(self.reach)

    def is_as_good_as(self, bound: float) -> bool:
        """Tell whether it is on the right side of a bound."""
        return self.value <= bound if self.sense == "<=" else self.value >= bound

    def cells(self) -> list[str]:
        """Return it as a row of a table."""
        unit = self.unit if self.unit == "x" else f" {self.unit}".rstrip()
        verdict = "yes" if self.reached else "**no**"
        stretch = ""
        if self.stretch is not None:
            stretch = f"{self.sense} {self.stretch:g}{unit}"
            verdict += ", and the stretch" if self.is_as_good_as(self.stretch) else ""
        reach = f"{self.sense} {self.reach:g}{unit}"
        return [self.what, f"{shown(self.value)}{unit}", reach, stretch, verdict]


FIGURE_COLUMNS = ("figure", "measured", "to reach", "stretch", "reached")


@dataclass(frozen=True)
class Table:
    """Rows under names of columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it as the pages have it, and as a terminal can show it."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


@dataclass(frozen=True)
class Part:
    """One part of the benchmarks, done.

    Args:
        name: The argument that runs it alone.
        command: The whole command that it was run with.
        method: How it was measured, in a sentence or two.
        bars: What a chart shows: names and seconds.
        raw: Every single run.
    """

    name: str
    title: str
    command: str
    method: str
    table: Table
    figures: Sequence[Figure]
    raw: dict[str, Any]
    bars: dict[str, float] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return both tables; the first alone where there is nothing to reach."""
        if not self.figures:
            return self.table.markdown()
        figures = Table(FIGURE_COLUMNS, [one.cells() for one in self.figures])
        return f"{self.table.markdown()}\n\n{figures.markdown()}"


def shown(value: float) -> str:
    """Return a number with as many digits as mean something."""
    if value >= 100:  # noqa: PLR2004  # from here on decimals are noise
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004  # same


def spread(values: Sequence[float]) -> str:
    """Return the median, and the least and the most."""
    return f"{shown(median(values))} [{shown(min(values))} to {shown(max(values))}]"


def percentile(values: Sequence[float], which: int) -> float:
    """Return what so many of a hundred do not exceed."""
    return quantiles(values, n=100, method="inclusive")[which - 1]


def load(path: Path) -> dict[str, Part]:
    """Return the parts that are kept in a file; none where there is no file."""
    if not path.exists():
        return {}
    return {name: _part(one) for name, one in json.loads(path.read_text())["parts"].items()}


def keep(path: Path, part: Part) -> dict[str, Part]:
    """Put a part into the file in place of what it held of it; return all parts of the file."""
    parts = {**load(path), part.name: part}
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'"{name}": {json.dumps(_brief(asdict(one)))}' for name, one in parts.items()]
    path.write_text('{"parts": {\n' + ",\n".join(lines) + "\n}}\n")
    return parts


def _brief(value: Any) -> Any:
    """Return a document with no more digits than were measured."""
    if isinstance(value, dict):
        return {name: _brief(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_brief(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def _part(document: dict[str, Any]) -> Part:
    figures = [Figure(**one) for one in document["figures"]]
    return Part(**{**document, "table": Table(**document["table"]), "figures": figures})
