"""``tagsweep load``: tags and links in bulk, from NDJSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.input import errors, ndjson
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.ndjson import Links, Spool, Workspace
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.worker import database
from tagsweep.worker.database import schema
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.store import bulk_load

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

#: links, or tags of workspaces, in a transaction: nobody waits long for it
MAX_PER_TRANSACTION = 20_000

HELP = """
Load tags and links in bulk from NDJSON (- reads standard input); safe to repeat.

The whole file is checked first: if anything is wrong, nothing is loaded. Missing \
tags and workspaces are created. Lines look like these, with any of the eight lists of ids:

\b
  {"tenant": "acme", "name": "legacy", "tables": ["ID", ...], "folders": ["ID", ...]}
  {"tenant": "acme", "workspace": "w-1", "tags": [{"key": "env", "value": "dev"}], "sys_tags": []}

A workspace may also have a "workspace_name".
"""

Source = Annotated[str, typer.Argument(metavar="FILE|-", help="An NDJSON file, or - for stdin.")]


@app.command(help=HELP)
def load(file: Source) -> None:
    """Load the whole file, or nothing of it."""
    where = "standard input" if file == "-" else file
    choosing.at_the_store("load")
    schema.ready()
    with ndjson.checked(_lines(file), where) as spool:
        write(spool)
    counts = {
        "lines": spool.lines,
        "links": spool.links,
        "workspace_tags": spool.workspace_tags,
    }
    told = (
        f"Loaded {terminal.counted(spool.lines, 'line')}: "
        f"{terminal.counted(spool.links, 'link')} and "
        f"{terminal.counted(spool.workspace_tags, 'tag')} of workspaces, into {schema.where()}."
    )
    terminal.settle(0, told)
    forms.show(counts, [told])


def _lines(file: str) -> Iterator[bytes]:
    """Yield the lines of the file, with a progress bar of its bytes."""
    try:
        with _open(file) as source, terminal.bar("checking") as show:
            size = os.fstat(source.fileno()).st_size or None
            read = 0
            for line in source:
                yield line
                read += len(line)
                show(read, size, "checking")
    except OSError as error:
        raise WrongUse(f"Cannot read {errors.shown(file)}: {error.strerror or error}.") from None


def _open(file: str) -> IO[bytes]:
    return open(sys.stdin.fileno(), "rb", closefd=False) if file == "-" else Path(file).open("rb")


def write(spool: Spool) -> None:
    """Write what was checked, in transactions of bounded size."""
    total = spool.lines + spool.links + spool.workspace_tags
    done = 0
    try:
        with terminal.bar("loading") as show:
            for batch in _batches(spool.read(MAX_PER_TRANSACTION)):
                with database.transaction() as connection:
                    _put(connection, batch)
                done += sum(map(_weight, batch))
                show(done, total, "loading")
    except TagsweepError:
        terminal.say("Not all of it was loaded. Load it again: what is already there stays.")
        raise


def _batches(entries: Iterable[Links | Workspace]) -> Iterator[list[Links | Workspace]]:
    batch: list[Links | Workspace] = []
    weight = 0
    for entry in entries:
        if batch and weight + _weight(entry) > MAX_PER_TRANSACTION:
            yield batch
            batch, weight = [], 0
        batch.append(entry)
        weight += _weight(entry)
    if batch:
        yield batch


def _weight(entry: Links | Workspace) -> int:
    if isinstance(entry, Workspace):
        return 1 + len(entry.values)
    return entry.size or 1


def _put(connection: Connection, batch: list[Links | Workspace]) -> None:
    tags: dict[tuple[str, str], UUID] = {}
    for entry in batch:
        if isinstance(entry, Workspace):
            bulk_load.set_workspace_tags(
                connection, entry.tenant, entry.name, entry.values, entry.shown_as
            )
            continue
        key = (entry.tenant, entry.name)
        if key not in tags:
            tags[key] = bulk_load.ensure_tag(connection, *key)
        if entry.ids:
            bulk_load.link(connection, tags[key], entry.resource_type, entry.ids)
