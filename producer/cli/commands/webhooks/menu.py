"""The menu of ``tagsweep webhooks``, and what its commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.input.errors import WrongUse, shown
from tagsweep.producer.cli.output import forms, terminal

app = typer.Typer(
    rich_markup_mode="rich",
    add_completion=False,
    help="Have events sent to URLs, signed; see and repeat what was sent.",
)

Tenant = Annotated[str | None, typer.Option(help="The tenant whose jobs' events are sent.")]
WebhookId = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id.")]
SecretFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Holds the secret to use (whsec_...); one is made else."),
]


def id_of(text: str) -> UUID:
    """Return the id that was typed; raises WrongUse."""
    try:
        return UUID(text)
    except ValueError:
        message = f"{shown(text)} is not a webhook's id: see `tagsweep webhooks list`."
        raise WrongUse(message) from None


def secret_in(file: Path | None) -> dict[str, Any]:
    """Return the secret in a file, as the body of a request has it; raises WrongUse."""
    if file is None:
        return {}
    try:
        return {"secret": file.read_text().strip()}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise WrongUse(f"--secret-file {shown(file)}: cannot be read: {why}.") from None


def show_one(value: dict[str, Any]) -> None:
    """Print one webhook, or one delivery."""
    forms.show(value, (f"{name + ':':<16} {cell(one)}" for name, one in value.items()))


def show_with_secret(value: dict[str, Any]) -> None:
    """Print what has a new secret, and say that this is the only time."""
    show_one(value)
    terminal.say("Store the secret now: it is not shown again.")


def cell(value: Any) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(str(each) for each in value) or "-"
    return "-" if value is None else str(value)
