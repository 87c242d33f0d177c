"""``tagsweep merge``: make links to some tags links to another."""

from __future__ import annotations

from typing import Annotated

import typer

from tagsweep.producer.cli.input import times
from tagsweep.producer.cli.input.options import (
    AttachedAfter,
    AttachedBefore,
    Column,
    Drop,
    DryRun,
    Mapped,
    MaxAffected,
    Note,
    NoWait,
    Strict,
)
from tagsweep.producer.cli.submission import links, suggestions
from tagsweep.producer.cli.submission.links import Resources
from tagsweep.producer.cli.submission.suggestions import Listed, Names, Tenant, Unless
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import MergeJob

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

HELP = """
Merge tags into another: what carries one of them carries that one from then on.

The tag --into is created if it is missing. Without any list the merge is about resources of every \
type. Where a resource has it already, the old tag only goes, and counts as present. The old tags \
stay, without links, unless --drop is given.

\b
Examples:
  tagsweep merge --tenant acme --name pii-old --name PII --into pii --drop
  tagsweep merge --tenant acme --name legacy --into archive --tables @ids.txt
  tagsweep merge --tenant acme --name legacy --into archive --dry-run
"""

Into = Annotated[
    str, typer.Option(metavar="NEW", help="The tag they become.", autocompletion=suggestions.tags)
]


@app.command(help=HELP)
def merge(  # noqa: PLR0913  # the options of the command
    *,
    tenant: Tenant,
    name: Names,
    into: Into,
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
) -> None:
    """Merge tags into another."""
    listed = (sources, transformations, destinations, visualizations, layers, folders, tables)
    types = dict(zip(RESOURCE_TYPES, (*listed, volumes), strict=True))
    options = {"dry_run": dry_run, "max_affected": max_affected, "strict": strict, "note": note}
    conditions = {
        "into": into,
        "drop": drop,
        "attached_before": times.zoned("--attached-before", attached_before),
        "attached_after": times.zoned("--attached-after", attached_after),
        "unless": unless,
    }
    given = Resources(types, resources, column)
    links.submit(MergeJob, name, given, wait=not no_wait, tenant=tenant, **options, **conditions)
