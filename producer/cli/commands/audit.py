"""``tagsweep audit``: who did what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.input import errors, times
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.options import Since
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.producer.cli.submission import suggestions
from tagsweep.worker.audit.actions import ACTIONS, EntryFilter

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

#: of a table, and of CSV
COLUMNS = (
    *("time", "action", "tenant", "by", "door", "proved"),
    *("credential", "kind", "job", "target", "note"),
)
#: how many a table shows, unless it is told
SHOWN = 50

HELP = """
Show who did what, the newest first: who asked for jobs, cancelled, paused, resumed, retried, \
undid or ran them, made or revoked keys, signed in to the console.

\b
Examples:
  tagsweep audit --since 7d
  tagsweep audit --tenant acme --action key.revoke
  tagsweep audit --since 90d --output ndjson
"""


@app.command(help=HELP)
def audit(  # noqa: PLR0913  # the options of the command
    *,
    tenant: Annotated[
        str | None, typer.Option(help="Only of this tenant.", autocompletion=suggestions.tenants)
    ] = None,
    since: Since = None,
    action: Annotated[
        str | None,
        typer.Option(
            metavar="ACTION",
            help="Only this, such as job.cancel.",
            autocompletion=suggestions.among(*ACTIONS),
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Only what somebody of this name did.")] = None,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Only of this job.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help=f"How many at most: {SHOWN} in a table, otherwise all."),
    ] = None,
) -> None:
    """Show who did what, the newest first."""
    if action is not None and action not in ACTIONS:
        raise WrongUse(f"--action {errors.shown(action)}: must be one of {', '.join(ACTIONS)}.")
    start = None if since is None else times.moment("--since", since)
    query = EntryFilter(tenant, start, action, by, _id(job))
    form = forms.chosen()
    if limit is None and form == forms.TABLE:
        limit = SHOWN
    found = choosing.chosen().audit(query, limit)
    if form != forms.TABLE:
        forms.stream(found, COLUMNS, form, _row)
        return
    rows = list(found)
    forms.show(rows, _table(rows), nothing="There is nothing of that kind.")
    if len(rows) == limit:
        terminal.say(f"The latest {limit}: --limit shows more.")


def _table(rows: list[dict[str, Any]]) -> Any:
    columns = ("time", "by", "door", "action", "tenant", "job", "target")
    cells = ([_row(one)[name] or "-" for name in columns] for one in rows)
    return forms.table([name.upper() for name in columns], cells)


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    by = entry["requested_by"] or {}
    names = ("time", "action", "tenant", "credential", "kind", "job", "target")
    told = {"by": by.get("name"), "door": by.get("door"), "proved": by.get("proved")}
    return {**{name: entry[name] for name in names}, **told, "note": _note(entry)}


def _note(entry: Mapping[str, Any]) -> str | None:
    note: str | None = (entry["details"] or {}).get("note")
    return note


def _id(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise WrongUse(f"--job {errors.shown(text)}: job ids are UUIDs.") from None
