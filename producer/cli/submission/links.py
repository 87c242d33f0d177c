"""The command behind ``detach`` and ``attach``: tags by name, resources in eight lists."""

from __future__ import annotations

from typing import Any

import typer

from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.job import build_job
from tagsweep.producer.cli.input.options import (
    Column,
    DryRun,
    Mapped,
    MaxAffected,
    Note,
    NoWait,
    Strict,
)
from tagsweep.producer.cli.submission import submitting
from tagsweep.producer.cli.submission.suggestions import Listed, Names, Tenant
from tagsweep.worker.models.jobs import Job


def command(model: type[Job], text: str) -> typer.Typer:
    """Return the command that submits jobs of ``model``; ``text`` is its help."""
    app = typer.Typer(rich_markup_mode="rich", add_completion=False)

    @app.command(name=model.kind, help=text)
    def run(  # noqa: PLR0913  # the options of the command
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
    ) -> None:
        given = {
            "sources": sources,
            "transformations": transformations,
            "destinations": destinations,
            "visualizations": visualizations,
            "layers": layers,
            "folders": folders,
            "tables": tables,
            "volumes": volumes,
        }
        reader = Reader(column)
        options = {"dry_run": dry_run, "max_affected": max_affected, "strict": strict, "note": note}
        body = {"tenant": tenant, "names": name, **_read(reader, given, resources), **options}
        submitting.submit(build_job(model, body, reader, {"names": name}), wait=not no_wait)

    return app


def _read(
    reader: Reader, given: dict[str, list[str] | None], mapped: list[str] | None
) -> dict[str, Any]:
    """Return the lists of the eight types that were given, and those of a map."""
    lists = {
        field: reader.ids(f"--{field}", values)
        for field, values in given.items()
        if values is not None
    }
    return {**lists, "resources": reader.resources("--resources", mapped)} if mapped else lists
