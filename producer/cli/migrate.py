"""``tagsweep migrate``: create or upgrade the store's schema."""

from __future__ import annotations

import typer

from producer.cli import terminal
from worker import drivers, schema, settings

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
def migrate() -> None:
    """Create or upgrade the schema of the store that TAGSWEEP_DATABASE_URL names.

    Safe to repeat, and safe while others do it.
    """
    where = drivers.describe(settings.load().database_url)
    revision = schema.upgrade()
    terminal.tell(f"The store at {where} has schema {revision}.")
