"""Print the tree of modules and the layers of imports, as docs/architecture.md holds them.

``--write`` puts them there. Given a folder as well, it reads and writes the checkout there.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from pathlib import Path

FOLDERS = ("worker", "producer")
DOCUMENT = Path("docs/architecture.md")
BEGIN, END = "<!-- {}: python .ci/tree.py --write -->\n", "<!-- end of {} -->\n"
#: where its modules' names begin, and how far a line goes
INDENT, WIDTH = 20, 100


def tree(root: Path) -> str:
    """Return every package with what it is for, and the modules in it."""
    lines: list[str] = []
    for folder in FOLDERS:
        for package in sorted((root / folder).rglob("__init__.py")):
            if "versions" not in package.parts:
                lines += _package(root, package.parent)
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _package(root: Path, folder: Path) -> list[str]:
    depth = len(folder.relative_to(root).parts) - 1
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    head = f"{'  ' * depth + folder.name + '/':{INDENT}}"
    return [*_wrapped(text.split("\n")[0], head), *_wrapped(", ".join(names), " " * INDENT)]


def _wrapped(text: str, head: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * INDENT)


def layers(root: Path) -> str:
    """Return the layers of each contract of that kind, the highest first."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    lines = []
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            (container,) = contract["containers"]
            lines.append(container.removeprefix("tagsweep.").replace(".", "/") + "/")
            lines += [f"    {layer.replace(' | ', '  |  ')}" for layer in contract["layers"]]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _put(text: str, name: str, part: str) -> str:
    """Return ``text`` with ``part`` between the two marks of ``name``."""
    before, _, rest = text.partition(BEGIN.format(name))
    _, end, after = rest.partition(END.format(name))
    if not end:
        sys.exit(f"{DOCUMENT} lacks the marks of {name}.")
    return f"{before}{BEGIN.format(name)}{part}{end}{after}"


def main() -> None:
    """Print both, or write them."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    parts = {"tree": tree(root), "layers": layers(root)}
    if "--write" not in sys.argv:
        print(*parts.values(), sep="\n")
        return
    path = root / DOCUMENT
    text = path.read_text()
    for name, part in parts.items():
        text = _put(text, name, part)
    path.write_text(text)


if __name__ == "__main__":
    main()
