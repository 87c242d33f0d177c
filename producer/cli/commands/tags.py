"""``tagsweep tags``: the tags themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tagsweep.producer.cli.backends.tags import choosing
from tagsweep.producer.cli.backends.tags.choosing import Tags
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.job import build_job
from tagsweep.producer.cli.input.options import DryRun, MaxAffected, Note, NoWait, Strict
from tagsweep.producer.cli.output import forms, jobs
from tagsweep.producer.cli.submission import submitting, suggestions
from tagsweep.producer.cli.submission.suggestions import Names, Tenant
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.mapping import whole_tags
from tagsweep.worker.models.fields import NO_IDENTIFIER, identifies
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.models.tags import Naming

app = typer.Typer(
    rich_markup_mode="rich",
    add_completion=False,
    help="List, create, rename, delete tags.",
)

Name = Annotated[str, typer.Option(help="The name of the tag.", autocompletion=suggestions.tags)]


@app.command("list")
def show_all(
    *,
    tenant: Tenant,
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only names that contain it.")] = "",
    links: Annotated[
        bool, typer.Option("--links", help="With on how many resources each tag is.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 1_000,
) -> None:
    """List tags by name."""
    found = _of(tenant).listed(search, limit, links=links)
    columns = ("NAME", "ID", "CREATED", "UPDATED", *(["LINKS"] if links else []))
    forms.show(found, forms.table(columns, map(_row, found)), nothing="There are no such tags.")


@app.command()
def create(*, tenant: Tenant, name: Name) -> None:
    """Create a tag; resources get it by `tagsweep attach`, which creates missing tags too."""
    made = _of(tenant).create(_checked("--name", name))
    forms.show(made, [f"Tag {made['name']} is created: {made['id']}."])


@app.command()
def rename(
    *,
    tenant: Tenant,
    name: Name,
    to: Annotated[str, typer.Option(metavar="NEW", help="Its new name, which no tag has yet.")],
) -> None:
    """Rename a tag; the resources that carry it go on carrying it."""
    new = _checked("--to", to)
    renamed = _of(tenant).rename(_checked("--name", name), new)
    forms.show(renamed, [f"Tag {renamed['id']} has the name {renamed['name']} now."])


@app.command()
def delete(  # noqa: PLR0913  # the options of the command
    *,
    tenant: Tenant,
    name: Names,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    max_affected: MaxAffected = None,
    strict: Strict = False,
    note: Note = None,
) -> None:
    """Delete tags: a job takes them off all resources; its undo brings back both."""
    options = {"dry_run": dry_run, "max_affected": max_affected, "strict": strict, "note": note}
    body = {"tenant": tenant, "names": name, "drop": True, **whole_tags.every(), **options}
    job = build_job(DetachJob, body, Reader(), {"names": name})
    submitting.submit(job, wait=not no_wait)


def _of(tenant: str) -> Tags:
    if not identifies(tenant):
        raise WrongUse(f"--tenant {errors.shown(tenant)}: {NO_IDENTIFIER}")
    return choosing.chosen(tenant)


def _checked(option: str, name: str) -> str:
    """Return the name as it is stored; raises WrongUse if no tag can have it."""
    try:
        return Naming.parse({"name": name}).name
    except InvalidJob as invalid:
        reason = invalid.errors[0]["reason"]
        raise WrongUse(f"{option} {errors.shown(name)}: {reason}") from None


def _row(tag: dict[str, Any]) -> list[str]:
    times = [jobs.moment(tag[at]) for at in ("created_at", "updated_at")]
    return [tag["name"], tag["id"], *times, *_links(tag)]


def _links(tag: dict[str, Any]) -> Iterator[str]:
    if "links" in tag:
        more = "more than " if tag.get("links_truncated") else ""
        yield f"{more}{tag['links']:,}"
