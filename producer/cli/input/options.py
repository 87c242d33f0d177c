"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Record the job, print its id, and do not wait for it.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only find out what would be changed.")]
MaxAffected = Annotated[
    int | None,
    typer.Option(metavar="N", help="Change nothing at all if more than N items would be changed."),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Change nothing if any part of the job matches nothing."),
]
Drop = Annotated[
    bool,
    typer.Option("--drop", help="Delete the tags that are left without links; others stay."),
]
Note = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Why: shown with the job and in its event.")
]
CallbackUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Tell its end there, signed: see `tagsweep webhooks`."),
]
#: the heading of the options that are conditions
CONDITIONS = "Conditions: what does not meet them is left alone"
AttachedBefore = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        rich_help_panel=CONDITIONS,
        help="Only what was attached before: ISO 8601 with a zone, or how long ago (2h, 30d).",
    ),
]
AttachedAfter = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        rich_help_panel=CONDITIONS,
        help="Only what was attached then or later: the same.",
    ),
]
Column = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The column of the ids in files of CSV: its name or number."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only since then: ISO 8601, or how long ago (10m, 2h, 1d)."),
]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=X",
        rich_help_panel="Resources: ids separated by commas, @FILE, @- or '*'",
        help="Resources of the map (TAGSWEEP_MAP), by their name there.",
    ),
]
