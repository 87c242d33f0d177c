"""``tagsweep detach``: take tags off resources."""

from __future__ import annotations

from typing import Annotated

import typer

from producer.cli import request, submission
from producer.cli.lists import Reader
from producer.cli.options import DryRun, Json, Listed, MaxAffected, NoWait, Tenant
from worker.models.jobs import DetachJob
from worker.models.resources import RESOURCE_TYPES

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


HELP = """
Take tags off resources; the tags themselves stay.

All options may be repeated. What is not there counts as absent, which is a success.

\b
Examples:
  tagsweep detach --tenant acme --name legacy --tables @ids.txt
  tagsweep detach --tenant acme --name pii --name old --sources ID,ID --volumes ID
  some-query | tagsweep detach --tenant acme --name pii --layers @- --json
"""


@app.command(help=HELP)
def detach(  # noqa: PLR0913  # the options of the command
    *,
    tenant: Tenant,
    name: Annotated[list[str], typer.Option(help="A tag to take off; unknown ones are skipped.")],
    sources: Listed = None,
    transformations: Listed = None,
    destinations: Listed = None,
    visualizations: Listed = None,
    layers: Listed = None,
    folders: Listed = None,
    tables: Listed = None,
    volumes: Listed = None,
    no_wait: NoWait = False,
    as_json: Json = False,
    dry_run: DryRun = False,
    max_affected: MaxAffected = None,
) -> None:
    """Take tags off resources; the tags themselves stay."""
    given = locals()
    reader = Reader()
    lists = {field: reader.ids(f"--{field}", given[field]) for field in RESOURCE_TYPES}
    options = {"dry_run": dry_run, "max_affected": max_affected}
    body = {"tenant": tenant, "names": name, **lists, **options}
    job = request.build(DetachJob, body, reader, {"names": name})
    submission.submit(job, wait=not no_wait, as_json=as_json)
