"""``tagsweep migrate``: create or upgrade the store's schema, or move it to its own."""

from __future__ import annotations

from typing import Annotated

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.worker import settings
from tagsweep.worker.database import schema

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

Move = Annotated[
    bool,
    typer.Option(
        "--move", help="Move a store made by an older version to the schema TAGSWEEP_SCHEMA."
    ),
]


@app.command()
def migrate(*, move: Move = False) -> None:
    """Create or upgrade the schema of the store that TAGSWEEP_DATABASE_URL names.

    Safe to repeat, also at the same time; --move only while nothing of tagsweep runs.
    """
    choosing.at_the_store("migrate")
    where = schema.where()
    lines: list[str] = []
    if move:
        before = schema.move()
        own = settings.load().schema_name
        lines = [f"Moved from schema {before} to {own}." if before else "There is nothing to move."]
    revision = schema.upgrade()
    told = f"The store at {where} has schema {revision}."
    terminal.settle(0, told)
    lines += [told, *filter(None, [schema.elsewhere()])]
    forms.show({"store": where, "schema": revision}, lines)
