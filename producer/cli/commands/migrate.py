"""``tagsweep migrate``: create or upgrade the store's schema, and move it to its own."""

from __future__ import annotations

from typing import Annotated

import typer

from tagsweep.producer.cli.output import terminal
from tagsweep.worker import settings
from tagsweep.worker.database import errors, schema

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

Move = Annotated[
    bool,
    typer.Option(
        "--move", help="Move a store that an older version made to the schema TAGSWEEP_SCHEMA."
    ),
]


@app.command()
def migrate(*, move: Move = False) -> None:
    """Create or upgrade the schema of the store that TAGSWEEP_DATABASE_URL names.

    Safe to repeat, and safe while others do it; --move only while nothing of tagsweep runs.
    """
    where = errors.describe(settings.load().database_url)
    if move:
        before = schema.move()
        own = settings.load().schema_name
        moved = f"Moved from schema {before} to {own}." if before else "There is nothing to move."
        terminal.tell(moved)
    revision = schema.upgrade()
    terminal.tell(f"The store at {where} has schema {revision}.")
    if elsewhere := schema.elsewhere():
        terminal.tell(elsewhere)
