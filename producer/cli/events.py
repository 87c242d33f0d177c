"""``tagsweep events``: the completion events, read from the store's feed."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from producer.cli import faults, terminal
from producer.cli.faults import WrongUse
from worker import database, outbox, schema

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

POLL_S = 0.2
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")


HELP = """
Print the completion events in the order of their feed, one JSON (CloudEvents 1.0) a line.

\b
Examples:
  tagsweep events --since 2h
  tagsweep events --follow --since 0s
"""


@app.command(help=HELP)
def events(
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new ones till Ctrl-C.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only from then: ISO 8601, or how long ago (10m, 2h, 1d)."
        ),
    ] = None,
) -> None:
    """Print the completion events in the order of their feed, one JSON (CloudEvents 1.0) a line."""
    moment = None if since is None else _moment(since)
    schema.ready()
    position = 0
    if moment:
        with database.reading() as connection:
            position = outbox.position_at(connection, moment)
    try:
        _print(position, follow=follow)
    except KeyboardInterrupt:  # the way to end --follow
        raise typer.Exit(0) from None


def _print(position: int, *, follow: bool) -> None:
    while True:
        with database.reading() as connection:
            rows = outbox.after(connection, position)
        for row in rows:
            terminal.write(row.event)
            position = row.position
        if not rows:
            if not follow or terminal.is_abandoned():
                return
            time.sleep(POLL_S)


def _moment(text: str) -> datetime:
    """Return the time that ``text`` names; without an offset it is local."""
    span = _SPAN.fullmatch(text.strip())
    try:
        if span:
            return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUse(
            f"--since {faults.shown(text)}: give a time (2026-01-31T12:00:00Z) or how long ago "
            "(30s, 10m, 2h, 1d)."
        ) from None
