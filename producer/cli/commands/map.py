"""``tagsweep map``: write a map of tag tables of your own, and check one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.worker.mapping import findings, presets, readiness
from tagsweep.worker.mapping.file import load

app = typer.Typer(
    rich_markup_mode="rich",
    add_completion=False,
    no_args_is_help=True,
    help="Tag tables of your own: write the map that TAGSWEEP_MAP names, and check it.",
)

NO_MAP = "TAGSWEEP_MAP is not set: name the map in it (`tagsweep map init` writes one)."
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="NAME",
        help=f"{', '.join(presets.PRODUCTS)}, or a table of links with its schema.",
    ),
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")]


@app.command()
def init(*, source: From, file: File = Path("tags.toml")) -> None:
    """Write a map of the tables that are in the database."""
    readiness.refuse_sqlite()
    if file.exists():
        raise WrongUse(f"{file} is there already: give another name, or remove it.")
    written = presets.write(source)
    file.write_text(written, encoding="utf-8")
    terminal.write(written)
    terminal.say(f"Written to {file}. Next: export TAGSWEEP_MAP={file}; tagsweep map check")


@app.command()
def check() -> None:
    """Say what the map means for its tables: what is wrong, what is lost, and what mends it.

    Exits 1 if something is wrong.
    """
    mapping = load()
    if mapping is None:
        raise WrongUse(NO_MAP)
    readiness.refuse_sqlite()
    found = list(findings.of_map(mapping))
    wrong = any(finding.is_wrong for finding in found)
    shown = [asdict(finding) for finding in found]
    forms.show({"ok": not wrong, "findings": shown}, _lines(shown), rows=shown)
    raise typer.Exit(FAILED if wrong else 0)


def _lines(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    for finding in found:
        mark = "WRONG" if finding["is_wrong"] else "ok" if finding["mend"] is None else "note"
        yield f"{mark:<6} {finding['resource']}: {finding['what']}"
        if finding["mend"]:
            yield f"{'':<6} -> {finding['mend']}"
