"""``tagsweep webhooks deliveries, redeliver, test``."""

from __future__ import annotations

import time
from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import webhooks
from tagsweep.producer.cli.backends.webhooks import Webhooks
from tagsweep.producer.cli.commands.webhooks import menu
from tagsweep.producer.cli.commands.webhooks.menu import WebhookId, app
from tagsweep.producer.cli.exit_status import FAILED, UNFINISHED
from tagsweep.producer.cli.input import errors, times
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import forms, terminal

COLUMNS = ("EVENT", "STATE", "CREATED", "ATTEMPTS", "NEXT", "LAST")
STATES = ("waiting", "delivered", "failed")
#: how long a test is waited for
WAIT_S = 20.0
PAUSE_S = 0.25
#: the newest deliveries, among which a test is looked for
NEWEST = 50

UNSENT = (
    "No worker has sent it within {seconds:.0f} s. Workers send webhooks, and need "
    "TAGSWEEP_SECRET_KEY for it: `tagsweep doctor` says more."
)


@app.command("deliveries")
def show_all(
    webhook: WebhookId,
    *,
    state: Annotated[
        str | None, typer.Option(metavar="S", help=f"Only these: {', '.join(STATES)}.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
) -> None:
    """List the deliveries of a webhook, the newest first."""
    if state is not None and state not in STATES:
        raise WrongUse(f"--state {errors.shown(state)}: must be one of {', '.join(STATES)}.")
    rows = webhooks.chosen().log(menu.id_of(webhook), state, limit)
    lines = forms.table(COLUMNS, map(_cells, rows))
    forms.show(rows, lines, nothing="There are no deliveries.")


@app.command()
def redeliver(
    webhook: WebhookId,
    event: Annotated[
        str | None,
        typer.Argument(metavar="[EVENT]", help="The event's id.", show_default=False),
    ] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="All since then: ISO 8601, or how long ago (2h, 1d)."),
    ] = None,
) -> None:
    """Send an event again, or all since a time: also those that the webhook never got."""
    if (event is None) is (since is None):
        raise WrongUse("Give the id of an EVENT, or --since.")
    webhook_id = menu.id_of(webhook)
    if event is not None:
        menu.show_one(_summary(webhooks.chosen().redeliver(webhook_id, event)))
        return
    moment = times.moment("--since", since or "")
    count = webhooks.chosen().redeliver_since(webhook_id, moment)
    forms.show({"count": count}, [f"Events that are sent again: {count:,}."])


@app.command()
def test(webhook: WebhookId) -> None:
    """Send an event that tells of no job, and say what the receiver answered."""
    webhook_id, kept = menu.id_of(webhook), webhooks.chosen()
    sent = _attempted(kept, webhook_id, kept.test(webhook_id)["event_id"])
    if not sent["attempts"]:
        terminal.say(UNSENT.format(seconds=WAIT_S))
        raise typer.Exit(UNFINISHED)
    menu.show_one(_summary(sent))
    if sent["state"] != "delivered":
        raise typer.Exit(FAILED)


def _attempted(kept: Webhooks, webhook_id: UUID, event_id: str) -> dict[str, Any]:
    """Return a delivery once it was attempted, or as it is when the time is up."""
    until = time.monotonic() + WAIT_S
    while True:
        rows = kept.log(webhook_id, None, NEWEST)
        these = (row for row in rows if row["event_id"] == event_id)
        found: dict[str, Any] = next(these, {"attempts": []})
        if found["attempts"] or time.monotonic() > until:
            return found
        time.sleep(PAUSE_S)


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    """Return a delivery with its last attempt, in place of all."""
    last = row["attempts"][-1] if row["attempts"] else None
    rest = {name: value for name, value in row.items() if name != "attempts"}
    return {**rest, "attempts": len(row["attempts"]), "last": last and _words(last)}


def _words(attempt: dict[str, Any]) -> str:
    return attempt["reason"] or f"{attempt['status']} in {attempt['seconds']} s"


def _cells(row: dict[str, Any]) -> list[str]:
    shown = _summary(row)
    names = ("event_id", "state", "created_at", "attempts", "next_attempt_at", "last")
    return [menu.cell(shown[name]) for name in names]
