"""The bars of a page as SVG: readable on light and on dark, and without any colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from benchmarks.results import Part, shown

WIDTH, LABELS, VALUES = 760, 220, 70
BAR, GAP, HEAD, FOOT = 18, 8, 34, 18

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .head { font-weight: 600 }
  .bar { fill: #8c959f }
  .ours { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .bar { fill: #6e7681 }
    .ours { fill: #4493f8 }
  }
"""


def draw(parts: Sequence[Part]) -> str:
    """Return one panel for each part that has bars, under each other; a bar is seconds."""
    panels = [part for part in parts if part.bars]
    height = sum(_height(part.bars) for part in panels)
    told = "; ".join(
        f"{part.title}: " + ", ".join(f"{name} {shown(one)} s" for name, one in part.bars.items())
        for part in panels
    )
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>Seconds from the call to the event, less is better</title>",
        f"<desc>{escape(told)}</desc>",
        f"<style>{_STYLE}</style>",
    ]
    top = 0
    for part in panels:
        lines += _panel(part.title, part.bars, top)
        top += _height(part.bars)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _height(bars: Mapping[str, float]) -> int:
    return HEAD + len(bars) * (BAR + GAP) + FOOT


def _panel(title: str, bars: Mapping[str, float], top: int) -> Iterator[str]:
    yield f'<text class="head" x="0" y="{top + 20}">{escape(title)}: seconds</text>'
    most = max(bars.values())
    # the quickest on top
    for at, (name, value) in enumerate(sorted(bars.items(), key=lambda bar: bar[1])):
        y = top + HEAD + at * (BAR + GAP)
        length = max(1, value / most * (WIDTH - LABELS - VALUES))
        kind = "ours" if name.startswith("tagsweep") else "bar"
        bold = ' class="head"' if kind == "ours" else ""
        middle = f'y="{y + BAR - 5}"'
        yield f'<text{bold} x="{LABELS - 8}" {middle} text-anchor="end">{escape(name)}</text>'
        yield f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{length:.0f}" height="{BAR}"/>'
        yield f'<text{bold} x="{LABELS + length + 6:.0f}" {middle}>{shown(value)}</text>'
