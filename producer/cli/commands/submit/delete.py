"""``tagsweep delete``: delete key/value tags from workspaces."""

from __future__ import annotations

from typing import Annotated

import typer

from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.job import build_job
from tagsweep.producer.cli.input.options import (
    CallbackUrl,
    Column,
    DryRun,
    MaxAffected,
    Note,
    NoWait,
    Strict,
)
from tagsweep.producer.cli.submission import submitting, suggestions
from tagsweep.producer.cli.submission.suggestions import Tenant
from tagsweep.worker.models.jobs import DeleteJob

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

Workspace = Annotated[
    list[str],
    typer.Option(
        metavar="X",
        help="Ids separated by commas, @FILE or @- (one a line), or '*'.",
        autocompletion=suggestions.files,
    ),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY[=VALUE]",
        help="A tag to delete: by key alone, or only if it has this value.",
    ),
]
SystemTags = Annotated[
    list[str] | None, typer.Option(metavar="KEY[=VALUE]", help="The same for system tags.")
]


HELP = """
Delete key/value tags from workspaces.

All options may be repeated. What is not there counts as absent, which is a success; \
a workspace that is not the tenant's fails.

\b
Examples:
  tagsweep delete --tenant p-1 --workspace w-1,w-2 --tag env=dev --tag owner
  tagsweep delete --tenant p-1 --workspace @workspaces.txt --sys-tag cost-center
"""


@app.command(help=HELP)
def delete(  # noqa: PLR0913  # the options of the command
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
    callback_url: CallbackUrl = None,
) -> None:
    """Delete key/value tags from workspaces."""
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
        "callback_url": callback_url,
    }
    job = build_job(DeleteJob, body, reader, {"tags": tags, "sys_tags": sys_tags})
    submitting.submit(job, wait=not no_wait)


def _wanted(text: str) -> dict[str, str]:
    key, _, value = text.partition("=")
    return {"key": key, "value": value} if value else {"key": key}
