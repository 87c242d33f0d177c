"""``tagsweep keys``: credentials for the gateway."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.options import Json
from tagsweep.producer.cli.output import terminal
from tagsweep.producer.gateway.auth import credentials
from tagsweep.worker import database
from tagsweep.worker.database import schema
from tagsweep.worker.models.fields import NO_IDENTIFIER, identifies

app = typer.Typer(rich_markup_mode="rich", help="Create, list or revoke credentials.")

Operator = Annotated[bool, typer.Option("--operator", help="May delete system tags too.")]
Signing = Annotated[
    bool,
    typer.Option("--signing", help="Add an access key and a secret key, which sign requests."),
]


@app.command()
def create(
    *,
    tenant: Annotated[str, typer.Option(help="The tenant whose tags its bearer may change.")],
    operator: Operator = False,
    signing: Signing = False,
    as_json: Json = False,
) -> None:
    """Create a credential. Its secrets are printed only this once."""
    if not identifies(tenant):
        raise WrongUse(f"--tenant {errors.shown(tenant)}: {NO_IDENTIFIER}")
    _ready()
    with database.transaction() as connection:
        created = credentials.create(connection, tenant, operator=operator, signing=signing)
    shown = created.shown()
    if as_json:
        terminal.document(shown)
        return
    for name, value in shown.items():
        terminal.write_line(f"{name + ':':<12} {value}")
    terminal.say("Store it now: it is not shown again.")


@app.command("list")
def show_all(
    *,
    tenant: Annotated[str | None, typer.Option(help="Only credentials of this tenant.")] = None,
    as_json: Json = False,
) -> None:
    """List credentials, the oldest first, without their secrets."""
    _ready()
    with database.reading() as connection:
        rows = credentials.listed(connection, tenant)
    if as_json:
        terminal.document(rows)
    elif rows:
        head = ["ID", "TENANT", "KEY", "OPERATOR", "ACCESS KEY", "CREATED", "LAST USED", "REVOKED"]
        terminal.table(head, [_cells(row) for row in rows])
    else:
        terminal.say("There are no credentials.")


@app.command()
def revoke(
    credential: Annotated[str, typer.Argument(metavar="ID", help="The credential's id.")],
    *,
    as_json: Json = False,
) -> None:
    """Revoke a credential: within seconds no gateway accepts it any more."""
    try:
        credential_id = UUID(credential)
    except ValueError:
        message = f"{errors.shown(credential)} is not a credential's id: see `tagsweep keys list`."
        raise WrongUse(message) from None
    _ready()
    with database.transaction() as connection:
        revoked = credentials.revoke(connection, credential_id)
    if as_json:
        terminal.document({"id": str(credential_id), "revoked": revoked})
    elif revoked:
        terminal.write_line(f"Credential {credential_id} is revoked.")
    if not revoked:
        terminal.say(f"There is no valid credential {credential_id}.")
        raise typer.Exit(FAILED)


def _ready() -> None:
    """Make the store ready, and say which one it is."""
    choosing.at_the_store("keys")
    schema.ready()
    terminal.say(f"Credentials of the store at {schema.where()}.")


def _cells(cells: dict[str, Any]) -> list[str]:
    return [
        cells["id"],
        cells["tenant"],
        cells["prefix"] + "_...",
        "yes" if cells["operator"] else "-",
        *(
            cells[name] or "-"
            for name in ("access_key", "created_at", "last_used_at", "revoked_at")
        ),
    ]
