"""Measure the structure of the code against the bounds that keep it easy to find one's way in.

``make check`` runs this. It prints each figure with its bound, and fails where one is exceeded.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "tagsweep"
FOLDERS = ("worker", "producer")
#: its revisions are a history, not a structure
ASIDE = "migrations"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the package."""

    name: str
    path: Path
    tree: ast.Module
    lines: int


def modules() -> dict[str, Module]:
    """Return every module under FOLDERS, by its dotted name."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ASIDE not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                name = ".".join((PACKAGE, *parts)).removesuffix(".__init__")
                text = path.read_text()
                found[name] = Module(name, path, ast.parse(text), text.count("\n"))
    return found


def imports(module: Module, known: dict[str, Module]) -> set[str]:
    """Return the modules of ours that a module imports, wherever in it, for types alone too."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{one.name}" for one in node.names)
            found |= {name if name in known else node.module for name in names}
    return (found & known.keys()) - {module.name}


def functions(module: Module) -> Iterator[tuple[str, int]]:
    """Yield each function and its lines, docstring and decorators aside."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                lines -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield f"{module.name}:{node.name}", lines


def percentile(numbers: list[int], share: float) -> int:
    """Return the smallest number that at least ``share`` of all do not exceed."""
    ordered = sorted(numbers)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle of imports; none where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def main() -> int:
    """Print the figures; return 1 where any is out of its bound."""
    known = modules()
    graph = {name: imports(module, known) for name, module in known.items()}
    sizes = dict(one for module in known.values() for one in functions(module))
    folders: dict[Path, int] = {}
    for module in known.values():
        if module.path.stem != "__init__":
            folders[module.path.parent] = folders.get(module.path.parent, 0) + 1
    files = {module.name: module.lines for module in known.values()}
    fullest = max(folders, key=lambda folder: folders[folder])
    longest, largest = max(sizes, key=lambda n: sizes[n]), max(files, key=lambda n: files[n])
    circle = circles(graph)
    measured = [
        ("modules in the fullest folder", folders[fullest], 16, str(fullest.relative_to(ROOT))),
        ("modules flat in worker/", folders[ROOT / "worker"], 6, ""),
        ("lines of a function, p90", percentile(list(sizes.values()), 0.9), 15, ""),
        ("lines of a function, most", sizes[longest], 40, longest),
        ("lines of a file, most", files[largest], 250, largest),
        ("modules that one imports, p90", percentile([len(s) for s in graph.values()], 0.9), 8, ""),
        ("modules in a circle of imports", len(circle), 0, " -> ".join(circle)),
    ]
    for what, number, bound, where in measured:
        sign = "ok  " if number <= bound else "OVER"
        print(f"{sign} {what:32} {number:4} of {bound:4}  {where}")
    return int(any(number > bound for _, number, bound, _ in measured))


if __name__ == "__main__":
    sys.exit(main())
