"""Measure the structure of the code against the bounds that keep it easy to find one's way in.

``make check`` runs this. It prints each figure with its bound, and fails if one is exceeded. Given
a folder, it measures the checkout there.
"""

from __future__ import annotations

import ast
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "tagsweep"
FOLDERS = ("worker", "producer")
#: its revisions are a history, not a structure
ASIDE = "migrations"
#: how many of the worst are named with a figure that is over its bound
SHOWN = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the package."""

    name: str
    path: Path
    tree: ast.Module
    lines: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number and its bound."""

    what: str
    number: int
    bound: int
    worst: tuple[str, ...] = ()  #: what makes it that large

    @property
    def is_over(self) -> bool:
        """Whether the bound is exceeded."""
        return self.number > self.bound

    def __str__(self) -> str:
        sign = "OVER" if self.is_over else "ok  "
        worst = ", ".join(self.worst[: SHOWN if self.is_over else 1])
        return f"{sign} {self.what:32} {self.number:4} of {self.bound:4}  {worst}".rstrip()


def modules(root: Path) -> dict[str, Module]:
    """Return every module under FOLDERS of ``root``, by its dotted name."""
    known = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if ASIDE not in parts:
                name = ".".join((PACKAGE, *parts)).removesuffix(".__init__")
                text = path.read_text()
                known[name] = Module(name, path, ast.parse(text), text.count("\n"))
    return known


def imports(module: Module, known: dict[str, Module]) -> set[str]:
    """Return our modules that a module imports: at its top, in a function, or for types alone."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = (f"{node.module}.{alias.name}" for alias in node.names)
            names |= {member if member in known else node.module for member in members}
    return (names & known.keys()) - {module.name}


def functions(module: Module) -> Iterator[tuple[str, int]]:
    """Yield each function with its number of lines, docstring and decorators aside."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                lines -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield f"{module.name}:{node.lineno} {node.name}", lines


def percentile(numbers: list[int], share: float) -> int:
    """Return the smallest number that at least ``share`` of all do not exceed."""
    return sorted(numbers)[math.ceil(len(numbers) * share) - 1]


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle of imports; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def largest(what: str, sizes: dict[str, int], bound: int) -> Figure:
    """Return the largest of ``sizes``, and those that are over the bound, the largest first."""
    names = sorted(sizes, key=lambda name: -sizes[name])
    over = [f"{name} ({sizes[name]})" for name in names if sizes[name] > bound]
    return Figure(what, sizes[names[0]], bound, tuple(over or names[:1]))


def measured(root: Path) -> list[Figure]:
    """Return every figure of a checkout."""
    known = modules(root)
    graph = {name: imports(module, known) for name, module in known.items()}
    length = dict(pair for module in known.values() for pair in functions(module))
    folders = Counter(
        str(module.path.parent.relative_to(root))
        for module in known.values()
        if module.path.stem != "__init__"
    )
    fan_out = {name: len(imported) for name, imported in graph.items()}
    most = sorted(fan_out, key=lambda name: -fan_out[name])
    loop = circle(graph)
    return [
        largest("modules in the fullest folder", folders, 16),
        Figure("modules flat in worker/", folders["worker"], 6),
        Figure("lines of a function, p90", percentile(list(length.values()), 0.9), 15),
        largest("lines of a function, largest", length, 40),
        largest("lines of a file, largest", {m.name: m.lines for m in known.values()}, 250),
        Figure(
            "modules that one imports, p90",
            percentile(list(fan_out.values()), 0.9),
            8,
            tuple(f"{name} ({fan_out[name]})" for name in most),
        ),
        Figure("modules in a circle of imports", len(loop), 0, (" -> ".join(loop),)),
    ]


def main() -> int:
    """Print the figures; return 1 if any is over its bound."""
    root = Path(sys.argv[1] if sys.argv[1:] else __file__).resolve()
    figures = measured(root if root.is_dir() else root.parents[1])
    print(*figures, sep="\n")
    return int(any(figure.is_over for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
