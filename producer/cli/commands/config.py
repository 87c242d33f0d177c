"""``tagsweep config``: which store, broker and gateway commands use, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import SecretStr

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.input import profiles
from tagsweep.producer.cli.output import forms
from tagsweep.worker import redaction, settings
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.settings import database_url

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

MAIN = ("database_url", "broker_url", "url", "api_key")
All = Annotated[bool, typer.Option("--all", help="Show all settings, those not set too.")]


@app.command()
def config(*, show_all: All = False) -> None:
    """Show which store, broker and gateway commands use, and why; secrets are masked.

    A value comes from the environment, or else from a profile (--profile), or is the default.
    Nothing is connected to: `tagsweep doctor` does that.
    """
    found = settings.load()
    names = [
        name
        for name in type(found).model_fields
        if show_all or name in MAIN or name in found.model_fields_set
    ]
    rows = [_row(found, name) for name in names]
    uses = _uses()
    shown = {row["name"]: {"value": row["value"], "from": row["from"]} for row in rows}
    document = {"uses": uses, "profiles": str(profiles.path()), "settings": shown}
    cells = [[row["name"], _text(row["value"]), row["from"]] for row in rows]
    lines = [uses["text"], "", *forms.table(("SETTING", "VALUE", "FROM"), cells)]
    forms.show(document, lines, rows=rows)


def _uses() -> dict[str, Any]:
    """Return what clients use, ``gateway``, ``store`` or neither, and a sentence about it."""
    try:
        client = choosing.gateway()
    except SettingsError as error:
        return {"kind": None, "text": f"Commands are refused: {error}"}
    found = settings.load()
    if client is not None:
        text = (
            f"Commands go through the gateway at {client.url}; keys, load and migrate need a store."
        )
        return {"kind": "gateway", "text": text}
    store, broker = _shown("database_url", found.database_url), settings.masked(found.broker_url)
    work = "a worker inside each command" if found.embedded else f"the broker at {broker}"
    return {"kind": "store", "text": f"Commands use the store at {store}, and {work}."}


def _row(found: settings.Settings, name: str) -> dict[str, Any]:
    value = getattr(found, name)
    return {
        "name": settings.variable(name),
        "value": _shown(name, value),
        "from": settings.origin(name),
    }


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return redaction.MASK
    if name == "database_url":
        return database_url.described(value)
    return settings.masked(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
