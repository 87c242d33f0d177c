"""``tagsweep events``: the completion events, in the order of their feed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import terminal
from tagsweep.worker import settings

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")


HELP = """
Print the completion events in the order of their feed, one JSON (CloudEvents 1.0) a line.

\b
Examples:
  tagsweep events --since 2h
  tagsweep events --follow --since 0s
  tagsweep events --since 1d --republish
"""


@app.command(help=HELP)
def events(
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue with new ones until Ctrl-C.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only since then: ISO 8601, or how long ago (10m, 2h, 1d)."
        ),
    ] = None,
    republish: Annotated[
        bool,
        typer.Option("--republish", help="Publish them again too, each under the same id."),
    ] = False,
) -> None:
    """Print the completion events in the order of their feed, one JSON (CloudEvents 1.0) a line."""
    if republish and (follow or since is None):
        raise WrongUse("--republish needs --since, and cannot be combined with --follow.")
    start = None if since is None else _time(since)
    if republish:
        _republish(start)
        return
    try:
        _print(choosing.chosen().events(start, follow=follow))
    except KeyboardInterrupt:  # the way to end --follow
        raise typer.Exit(0) from None


def _republish(since: datetime | None) -> None:
    """Publish from the store, even if other commands use a gateway: no gateway does this."""
    from tagsweep.worker import database
    from tagsweep.worker.database import schema
    from tagsweep.worker.events import outbox, relay

    choosing.at_the_store("events --republish")
    target = settings.load().events_target
    if target is None:
        raise WrongUse("There is nowhere to publish them: set TAGSWEEP_EVENTS_URL.")
    schema.ready()
    with database.reading() as connection:
        position = outbox.position_at(connection, since)
    count = 0
    for event in relay.republish(position):
        terminal.write(event)
        count += 1
    terminal.say(f"Published again to {settings.masked(target)}: {count:,} events.")


def _print(events: Iterator[str | None]) -> None:
    """Print the events; while there is nothing new, check that somebody still reads them."""
    for event in events:
        if event is not None:
            terminal.write(event)
        elif terminal.is_abandoned():
            return


def _time(text: str) -> datetime:
    """Return the time that ``text`` names; without an offset it is local time."""
    span = _SPAN.fullmatch(text.strip())
    try:
        if span:
            return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUse(
            f"--since {errors.shown(text)}: give a time (2026-01-31T12:00:00Z) or how long ago "
            "(30s, 10m, 2h, 1d)."
        ) from None
