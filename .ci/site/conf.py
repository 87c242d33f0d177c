"""The site of the documents, as Sphinx builds it: ``make docs``.

The documents are Markdown that GitHub shows as it is. What a site needs besides, its menu, is made
from the lists of links in docs/README.md.
"""

import re
from importlib import metadata

from sphinx.application import Sphinx

project = "tagsweep"
release = metadata.version("tagsweep")
copyright = "the tagsweep authors"  # noqa: A001  # Sphinx calls it so
extensions = ["myst_parser"]
include_patterns = [
    "docs/**.md",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "examples/README.md",
]
exclude_patterns = ["docs/benchmarks/notes.md"]  # part of docs/benchmarks.md
root_doc = "docs/README"
nitpicky = True
myst_heading_anchors = 4
# the tree and the layers of docs/architecture.md, receipts, crontabs: nothing that has a colour
highlight_language = "none"
html_theme = "furo"
html_title = f"tagsweep {release}"
html_copy_source = False
html_show_sourcelink = False

_SECTION = re.compile(r"^## (.+)\n((?:(?!^## ).*\n)*)", re.MULTILINE)
_LINK = re.compile(r"^- \[[^\]]+\]\((\S+)\.md\)", re.MULTILINE)
#: documents that are linked in the text of others
_ELSEWHERE = ("../README", "../examples/README", "decisions/0*")


def _menu(text: str) -> str:
    """Return the menu: a table of contents for each section of links."""
    menu = ""
    for heading, body in _SECTION.findall(text):
        documents = "\n".join(_LINK.findall(body))
        menu += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{documents}\n```\n"
    others = "\n".join(_ELSEWHERE)
    return f"{menu}\n```{{toctree}}\n:hidden:\n:glob:\n:caption: More\n\n{others}\n```\n"


def _add_menu(_: Sphinx, document: str, content: list[str]) -> None:
    if document == root_doc:
        content[0] += _menu(content[0])


def setup(app: Sphinx) -> None:
    """Add the menu whenever the first page is read."""
    app.connect("source-read", _add_menu)
