"""``tagsweep events``: the completion events, in the order of their feed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.input import times
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.options import Since
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.worker import settings

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


#: of a table, and of CSV
COLUMNS = (
    *("id", "time", "type", "tenant", "status", "dry_run"),
    *("total", "changed", "failed", "unprocessed"),
)

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
    since: Since = None,
    republish: Annotated[
        bool,
        typer.Option("--republish", help="Publish them again too, each under the same id."),
    ] = False,
) -> None:
    """Print the completion events in the order of their feed, one JSON (CloudEvents 1.0) a line."""
    if republish and (follow or since is None):
        raise WrongUse("--republish needs --since, and cannot be combined with --follow.")
    if follow and forms.chosen(forms.NDJSON) != forms.NDJSON:
        raise WrongUse("--follow prints NDJSON: leave out --output, or give --output ndjson.")
    start = None if since is None else times.moment("--since", since)
    if republish and start is not None:
        _republish(start)
        return
    try:
        _print(choosing.chosen().events(start, follow=follow))
    except KeyboardInterrupt:  # the way to end --follow
        raise typer.Exit(0) from None


def _republish(since: datetime) -> None:
    """Publish from the store, even if other commands use a gateway: no gateway does this."""
    from tagsweep.worker.database import schema
    from tagsweep.worker.events import relay

    choosing.at_the_store("events --republish")
    target = settings.load().events_target
    if target is None:
        raise WrongUse("There is nowhere to publish them: set TAGSWEEP_EVENTS_URL.")
    schema.ready()
    count = 0
    for event in relay.republish(since):
        terminal.write(event)
        count += 1
    events = terminal.counted(count, "event")
    terminal.say(f"Published again to {settings.masked(target)}: {events}.")


def _print(events: Iterator[str | None]) -> None:
    """Print the events; while there is nothing new, check that somebody still reads them."""
    form = forms.chosen(forms.NDJSON)
    if form != forms.NDJSON:
        forms.stream(map(json.loads, filter(None, events)), COLUMNS, form, _row)
        return
    for event in events:
        if event is not None:
            terminal.write(event)
        elif terminal.is_abandoned():
            return


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event["data"]
    changed = next(value for name, value in data["counts"].items() if name != "total")
    own = {name: event[name] for name in ("id", "time", "type")}
    counts = {name: data["counts"][name] for name in ("total", "failed", "unprocessed")}
    told = {name: data.get(name) for name in ("tenant", "status", "dry_run")}
    return {**own, **told, **counts, "changed": changed}
