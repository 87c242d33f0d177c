"""``tagsweep webhooks create, list, enable, delete, rotate``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tagsweep.producer.cli.backends import webhooks
from tagsweep.producer.cli.commands.webhooks import menu
from tagsweep.producer.cli.commands.webhooks.menu import SecretFile, Tenant, WebhookId, app
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import forms, terminal

COLUMNS = ("ID", "TENANT", "URL", "KINDS", "STATUSES", "STATE", "WAITING")

Url = Annotated[str, typer.Option(help="Where events are sent: https://...")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="K", help="Only of such jobs (detach, ...); may be repeated."),
]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", metavar="S", help="Only of such ends (failed, ...); may be repeated."),
]


@app.command()
def create(
    *,
    url: Url,
    tenant: Tenant = None,
    kinds: Kinds = None,
    statuses: Statuses = None,
    secret_file: SecretFile = None,
) -> None:
    """Have the events of jobs that end from now on sent to a URL. Its secret is printed once."""
    given = {"url": url, "kinds": kinds or None, "statuses": statuses or None}
    body = {name: value for name, value in given.items() if value is not None}
    menu.show_with_secret(webhooks.chosen().create(tenant, body | menu.secret_in(secret_file)))


@app.command("list")
def show_all(*, tenant: Tenant = None) -> None:
    """List webhooks, the oldest first, without their secrets."""
    rows = webhooks.chosen().listed(tenant)
    lines = forms.table(COLUMNS, map(_cells, rows))
    forms.show(rows, lines, nothing="There are no webhooks.")


@app.command()
def enable(webhook: WebhookId) -> None:
    """Switch a webhook on again: it gets what waits for it, and what ends from now on."""
    menu.show_one(webhooks.chosen().change(menu.id_of(webhook), {"enabled": True}))


@app.command()
def delete(webhook: WebhookId) -> None:
    """Delete a webhook, with the log of its deliveries."""
    webhook_id = menu.id_of(webhook)
    webhooks.chosen().remove(webhook_id)
    answer = {"id": str(webhook_id), "deleted": True}
    forms.show(answer, [f"Webhook {webhook_id} is deleted."])


@app.command()
def rotate(
    *,
    webhook: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The webhook's id.", show_default=False)
    ] = None,
    callbacks: Annotated[
        bool, typer.Option("--callbacks", help="The secret for the callbacks of the tenant's jobs.")
    ] = False,
    tenant: Tenant = None,
    secret_file: SecretFile = None,
) -> None:
    """Make a new secret; for a day the old one signs too."""
    if (webhook is None) is not callbacks:
        raise WrongUse("Give a webhook's ID, or --callbacks for the callbacks of jobs.")
    body = menu.secret_in(secret_file)
    if webhook is None:
        menu.show_with_secret(webhooks.chosen().rotate_callbacks(tenant, body))
        return
    menu.show_with_secret(webhooks.chosen().rotate(menu.id_of(webhook), body))
    terminal.say("For a day, what is sent is signed with the old one too.")


def _cells(row: dict[str, Any]) -> list[str]:
    state = "on" if row["enabled"] else "off"
    if row["failing_since"] and row["enabled"]:
        state = f"failing since {row['failing_since']}"
    some = ("all" if row[name] is None else " ".join(row[name]) for name in ("kinds", "statuses"))
    return [row["id"], row["tenant"], row["url"], *some, state, str(row["waiting"])]
