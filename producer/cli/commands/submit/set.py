"""``tagsweep set``: set key/value tags of workspaces."""

from __future__ import annotations

from typing import Annotated

import typer

from tagsweep.producer.cli.commands.submit.delete import Workspace
from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.job import build_job
from tagsweep.producer.cli.input.options import (
    Column,
    DryRun,
    MaxAffected,
    Note,
    NoWait,
    Strict,
)
from tagsweep.producer.cli.submission import submitting
from tagsweep.producer.cli.submission.suggestions import Tenant
from tagsweep.worker.models.jobs import SetJob

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

Tags = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="A tag to set: the key, and the value that it gets."),
]
SystemTags = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="The same for system tags.")
]

HELP = """
Set key/value tags of workspaces.

All options may be repeated. A key that a workspace has already gets the new value; if it has that \
value, it counts as unchanged, which is a success. A workspace that is not the tenant's fails.

\b
Examples:
  tagsweep set --tenant p-1 --workspace w-1,w-2 --tag env=prod --tag owner=data
  tagsweep set --tenant p-1 --workspace '*' --tag reviewed=2026 --dry-run
"""


@app.command(name="set", help=HELP)
def set_tags(  # noqa: PLR0913  # the options of the command
    *,
    tenant: Tenant,
    workspace: Workspace,
    tag: Tags = None,
    sys_tag: SystemTags = None,
    column: Column = None,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    max_affected: MaxAffected = None,
    strict: Strict = False,
    note: Note = None,
) -> None:
    """Set key/value tags of workspaces."""
    reader = Reader(column)
    tags, sys_tags = tag or [], sys_tag or []
    body = {
        "tenant": tenant,
        "workspaces": reader.workspaces("--workspace", workspace),
        "tags": [_wanted(text) for text in tags],
        "sys_tags": [_wanted(text) for text in sys_tags],
        "dry_run": dry_run,
        "max_affected": max_affected,
        "strict": strict,
        "note": note,
    }
    job = build_job(SetJob, body, reader, {"tags": tags, "sys_tags": sys_tags})
    submitting.submit(job, wait=not no_wait)


def _wanted(text: str) -> dict[str, str]:
    key, given, value = text.partition("=")
    return {"key": key, "value": value} if given else {"key": key}
