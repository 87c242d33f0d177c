"""What a shell offers while a command is typed: jobs, tags, tenants, files of ids.

Nothing is told of what goes wrong, and no store is made: a shell is being typed into.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.backends.backend import Backend, JobQuery, Shown
from tagsweep.producer.cli.input.options import CONDITIONS
from tagsweep.worker import settings

#: how many jobs are looked at, and the most that is offered
RECENT, MOST = 100, 50
#: before the path of an embedded store
FILE = "sqlite:///"

Offered = Iterator[str | tuple[str, str]]


def _quietly(offer: Callable[[Backend, Any, str], Offered]) -> Any:
    @functools.wraps(offer)
    def offered(ctx: typer.Context, incomplete: str) -> list[str | tuple[str, str]]:
        try:
            backend = _backend()
            return [] if backend is None else [*offer(backend, ctx.params, incomplete)][:MOST]
        except Exception:  # noqa: BLE001  # whatever it is, there is nothing to offer
            return []

    del offered.__wrapped__  # typer reads the signature
    return offered


def _backend() -> Backend | None:
    """Return the backend of commands; None if its store is a file that is not there yet."""
    url = settings.load().database_url
    is_missing = url.startswith(FILE) and not Path(url.removeprefix(FILE)).exists()
    return None if is_missing and choosing.gateway() is None else choosing.chosen()


def _recent(backend: Backend, params: Any) -> list[Shown]:
    return backend.latest(JobQuery(params.get("tenant")), RECENT, whole=False)


@_quietly
def jobs(backend: Backend, params: Any, incomplete: str) -> Offered:
    """Offer the ids of the newest jobs, with what each of them is."""
    for job in _recent(backend, params):
        if job["id"].startswith(incomplete):
            yield job["id"], f"{job['kind']} of {job['tenant'] or '-'}, {job['status']}"


@_quietly
def tenants(backend: Backend, params: Any, incomplete: str) -> Offered:  # noqa: ARG001  # as others
    """Offer the tenants of the newest jobs."""
    found = dict.fromkeys(job["tenant"] or "" for job in _recent(backend, {}))
    yield from (tenant for tenant in found if tenant and tenant.startswith(incomplete))


@_quietly
def tags(backend: Backend, params: Any, incomplete: str) -> Offered:
    """Offer the names of the tenant's tags."""
    if tenant := params.get("tenant"):
        yield from backend.tag_names(tenant, incomplete, MOST)


def files(incomplete: str) -> list[str]:
    """Offer files after ``@``; and ``'*'``, all."""
    if not incomplete:
        return ["@", "*"]
    if not incomplete.startswith("@"):
        return []
    folder, slash, start = incomplete[1:].rpartition("/")
    try:
        found = sorted(Path(folder + slash or ".").expanduser().glob(f"{start}*"))
    except (OSError, ValueError):
        return []
    shown = (f"@{folder}{slash}{path.name}{'/' if path.is_dir() else ''}" for path in found)
    return [name for name in shown if start or not name.rpartition("/")[2].startswith("@.")][:MOST]


def among(*words: str) -> Callable[[str], list[str]]:
    """Offer those of ``words`` that begin as what was typed."""

    def offer(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return offer


Tenant = Annotated[
    str,
    typer.Option(help="Whose tags: an organization or a project.", autocompletion=tenants),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", autocompletion=jobs)]
Names = Annotated[list[str], typer.Option(help="The name of a tag.", autocompletion=tags)]
Unless = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=CONDITIONS,
        help="What carries this tag is left alone; a name that is no tag stops the command.",
        autocompletion=tags,
    ),
]
#: one of the eight lists of resources
Listed = Annotated[
    list[str] | None,
    typer.Option(
        metavar="X",
        rich_help_panel="Resources: ids separated by commas, @FILE, @- or '*'",
        autocompletion=files,
    ),
]
