"""``tagsweep detach``: take tags off resources."""

from __future__ import annotations

import typer

from tagsweep.producer.cli.input import times
from tagsweep.producer.cli.input.options import (
    AttachedAfter,
    AttachedBefore,
    CallbackUrl,
    Column,
    Drop,
    DryRun,
    Mapped,
    MaxAffected,
    Note,
    NoWait,
    Strict,
)
from tagsweep.producer.cli.submission import links
from tagsweep.producer.cli.submission.links import Resources
from tagsweep.producer.cli.submission.suggestions import Listed, Names, Tenant, Unless
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import DetachJob

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

HELP = """
Take tags off resources; the tags themselves stay, unless --drop is given.

All options may be repeated. Names that the tenant does not have are skipped. What is not there \
counts as absent, which is a success; so does what does not meet the conditions.

\b
Examples:
  tagsweep detach --tenant acme --name legacy --tables @ids.txt
  tagsweep detach --tenant acme --name pii --name old --sources ID,ID --volumes ID
  tagsweep detach --tenant acme --name pii --tables '*' --attached-before 90d --unless legal-hold
  some-query | tagsweep detach --tenant acme --name pii --layers @- --json
"""


@app.command(help=HELP)
def detach(  # noqa: PLR0913  # the options of the command
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
    attached_before: AttachedBefore = None,
    attached_after: AttachedAfter = None,
    unless: Unless = None,
    drop: Drop = False,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    max_affected: MaxAffected = None,
    strict: Strict = False,
    note: Note = None,
    callback_url: CallbackUrl = None,
) -> None:
    """Take tags off resources."""
    listed = (sources, transformations, destinations, visualizations, layers, folders, tables)
    types = dict(zip(RESOURCE_TYPES, (*listed, volumes), strict=True))
    options = {"dry_run": dry_run, "max_affected": max_affected, "strict": strict, "note": note}
    options["callback_url"] = callback_url
    conditions = {
        "drop": drop,
        "attached_before": times.zoned("--attached-before", attached_before),
        "attached_after": times.zoned("--attached-after", attached_after),
        "unless": unless,
    }
    given = Resources(types, resources, column)
    links.submit(DetachJob, name, given, wait=not no_wait, tenant=tenant, **options, **conditions)
