"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Tenant = Annotated[str, typer.Option(help="Whose tags: an organization or a project.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Record the job, print its id, and do not wait for it.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only find out what would be changed.")]
MaxAffected = Annotated[
    int | None,
    typer.Option(metavar="N", help="Change nothing at all if more than N items would be changed."),
]
#: one of the eight lists of resources
Listed = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X", rich_help_panel="Resources: ids separated by commas, @FILE, @- or '*'"
    ),
]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=X",
        rich_help_panel="Resources: ids separated by commas, @FILE, @- or '*'",
        help="Resources of the map (TAGSWEEP_MAP), by their name there.",
    ),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
