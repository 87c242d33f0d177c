"""``tagsweep attach``: put tags on resources."""

from __future__ import annotations

import typer

from tagsweep.producer.cli.input.options import (
    CallbackUrl,
    Column,
    DryRun,
    Mapped,
    MaxAffected,
    Note,
    NoWait,
    Strict,
)
from tagsweep.producer.cli.submission import links
from tagsweep.producer.cli.submission.links import Resources
from tagsweep.producer.cli.submission.suggestions import Listed, Names, Tenant
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import AttachJob

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

HELP = """
Put tags on resources: each of the tags on each of the resources.

All options may be repeated. Tags that the tenant does not have are created. What already has \
the tag counts as present, which is a success.

\b
Examples:
  tagsweep attach --tenant acme --name pii --tables @ids.txt
  tagsweep attach --tenant acme --name pii --name reviewed --sources ID,ID --volumes ID
"""


@app.command(help=HELP)
def attach(  # noqa: PLR0913  # the options of the command
    *,
    tenant: Tenant,
    name: Names,
    sources: Listed = None,
    transformations: Listed = None,
    destinations: Listed = None,
    visualizations: Listed = None,
    layers: Listed = None,
    folders: Listed = None,
    tables: Listed = None,
    volumes: Listed = None,
    resources: Mapped = None,
    column: Column = None,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    max_affected: MaxAffected = None,
    strict: Strict = False,
    note: Note = None,
    callback_url: CallbackUrl = None,
) -> None:
    """Put tags on resources."""
    listed = (sources, transformations, destinations, visualizations, layers, folders, tables)
    types = dict(zip(RESOURCE_TYPES, (*listed, volumes), strict=True))
    options = {"dry_run": dry_run, "max_affected": max_affected, "strict": strict, "note": note}
    options["callback_url"] = callback_url
    given = Resources(types, resources, column)
    links.submit(AttachJob, name, given, wait=not no_wait, tenant=tenant, **options)
