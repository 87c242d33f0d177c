"""``tagsweep keys``: credentials for the gateway, made at its store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing, kept
from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.input import errors, grants, user
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.producer.gateway.auth import credentials, listing
from tagsweep.producer.gateway.auth.credentials import Created
from tagsweep.producer.gateway.auth.grants import SCOPES
from tagsweep.worker import database
from tagsweep.worker.database import schema

app = typer.Typer(
    rich_markup_mode="rich",
    add_completion=False,
    help="Create, list, rotate or revoke credentials.",
)
COLUMNS = (
    *("ID", "TENANT", "NAME", "KEY", "MAY", "ACCESS KEY"),
    *("CREATED", "EXPIRES", "LAST USED", "REVOKED"),
)

Tenant = Annotated[str | None, typer.Option(help="The tenant whose tags its bearer may change.")]
Operator = Annotated[bool, typer.Option("--operator", help="May change system tags too.")]
Admin = Annotated[
    bool, typer.Option("--admin", help="Belongs to no tenant: sees and controls all their jobs.")
]
Name = Annotated[str | None, typer.Option(help="Who or what uses it, for people.")]
Scope = Annotated[
    list[str] | None,
    typer.Option(metavar="S", help=f"Allow only this ({', '.join(SCOPES)}); may be repeated."),
]
Expires = Annotated[
    str | None, typer.Option(metavar="TIME", help="Ends after a span (12h, 90d) or at a time.")
]
Signing = Annotated[
    bool,
    typer.Option("--signing", help="Add an access key and a secret key, which sign requests."),
]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The credential's id.")]
Overlap = Annotated[
    str, typer.Option(metavar="SPAN", help="How long the old one stays valid: 0, 1h, 7d.")
]


@app.command()
def create(  # noqa: PLR0913  # the options of the command
    *,
    tenant: Tenant = None,
    admin: Admin = False,
    operator: Operator = False,
    name: Name = None,
    scope: Scope = None,
    expires: Expires = None,
    signing: Signing = False,
) -> None:
    """Create a credential. Its secrets are printed only this once."""
    rights = {"operator": operator, "admin": admin, "signing": signing}
    grant = grants.checked(tenant, name, scope, expires, **rights)
    _ready()
    with database.transaction() as connection:
        created = credentials.create(connection, grant, user.requester())
    _show(created)


@app.command()
def rotate(credential: KeyId, *, overlap: Overlap = "1d") -> None:
    """Create a credential in place of another, which stays valid for a while (--overlap)."""
    credential_id, span = _id(credential), grants.span("--overlap", overlap)
    _ready()
    with database.transaction() as connection:
        old = credentials.find(connection, str(credential_id))
        if old and old.is_valid:
            created = credentials.rotate(connection, old, span, user.requester())
        else:
            created = None
    if created is None:
        terminal.say(f"There is no valid credential {credential_id}.")
        raise typer.Exit(FAILED)
    _show(created)
    end = (datetime.now(UTC) + span).isoformat(timespec="seconds")
    terminal.say(f"Credential {credential_id} is valid until {end} at the latest.")


@app.command()
def reencrypt() -> None:
    """Encrypt all secrets with the first of several keys in TAGSWEEP_SECRET_KEY.

    Those that credentials sign with, and those of webhooks.
    """
    from tagsweep.producer.gateway.auth import signing
    from tagsweep.worker.webhooks import resealing

    _ready()
    count = signing.seal_all_again(user.requester()) + resealing.seal_all_again()
    forms.show({"reencrypted": count}, [f"Secrets encrypted again: {count:,}."])
    if unusable := signing.unusable():
        terminal.say(unusable)
        raise typer.Exit(FAILED)


@app.command("list")
def show_all(
    *,
    tenant: Annotated[str | None, typer.Option(help="Only credentials of this tenant.")] = None,
) -> None:
    """List credentials, the oldest first, without their secrets."""
    _ready()
    with database.reading() as connection:
        rows = listing.listed(connection, tenant)
    lines = forms.table(COLUMNS, map(_cells, rows))
    forms.show(rows, lines, nothing="There are no credentials.")


@app.command()
def revoke(credential: KeyId) -> None:
    """Revoke a credential: within seconds no gateway accepts it any more."""
    credential_id = _id(credential)
    _ready()
    with database.transaction() as connection:
        revoked = credentials.revoke(connection, credential_id, user.requester())
    told = [f"Credential {credential_id} is revoked."] if revoked else []
    answer = {"id": str(credential_id), "revoked": revoked}
    forms.show(answer, told)
    if not revoked:
        terminal.say(f"There is no valid credential {credential_id}.")
        raise typer.Exit(FAILED)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        message = f"{errors.shown(text)} is not a credential's id: see `tagsweep keys list`."
        raise WrongUse(message) from None


def _ready() -> None:
    """Make the store ready, and say which one it is."""
    choosing.at_the_store("keys")
    schema.ready()
    kept.use_secret_key()
    terminal.say(f"Credentials of the store at {schema.where()}.")


def _show(created: Created) -> None:
    shown = created.shown()
    forms.show(shown, (f"{name + ':':<12} {value or '-'}" for name, value in shown.items()))
    terminal.say("Store it now: it is not shown again.")


def _cells(cells: dict[str, Any]) -> list[str]:
    scopes = "all" if len(cells["scopes"]) == len(SCOPES) else " ".join(cells["scopes"])
    rights = [right for right in ("operator", "admin") if cells[right]]
    names = ("access_key", "created_at", "expires_at", "last_used_at", "revoked_at")
    return [
        cells["id"],
        cells["tenant"] or "-",
        cells["name"] or "-",
        cells["prefix"] + "_...",
        ", ".join([scopes, *rights]),
        *(cells[name] or "-" for name in names),
    ]
