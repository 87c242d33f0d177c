"""``tagsweep jobs``: list, show, watch and control jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.backends.backend import JobQuery, Shown
from tagsweep.producer.cli.exit_status import FAILED, INTERRUPTED
from tagsweep.producer.cli.input import errors, times
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.job import build_job
from tagsweep.producer.cli.input.options import (
    CallbackUrl,
    DryRun,
    MaxAffected,
    Note,
    NoWait,
    Since,
    Strict,
)
from tagsweep.producer.cli.output import forms, jobs, result, terminal
from tagsweep.producer.cli.submission import submitting, suggestions, watching
from tagsweep.producer.cli.submission.suggestions import JobId
from tagsweep.worker.models import formats
from tagsweep.worker.models.jobs import KINDS, UndoJob
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.views import OUTCOMES

app = typer.Typer(
    rich_markup_mode="rich",
    add_completion=False,
    help="List, show, watch or control jobs; read their receipts.",
)

STATUSES = ("queued", "running", *sorted(ENDS))


OfTenant = Annotated[
    str | None,
    typer.Option(help="Only jobs of this tenant.", autocompletion=suggestions.tenants),
]
OfKind = Annotated[
    str | None,
    typer.Option(help=f"Only {', '.join(KINDS)}.", autocompletion=suggestions.among(*KINDS)),
]
InStatus = Annotated[
    str | None,
    typer.Option(help=f"Only {', '.join(STATUSES)}.", autocompletion=suggestions.among(*STATUSES)),
]


@app.command("list")
def show_all(  # noqa: PLR0913  # the options of the command
    *,
    tenant: OfTenant = None,
    kind: OfKind = None,
    status: InStatus = None,
    since: Since = None,
    by: Annotated[str | None, typer.Option(help="Only those that somebody asked for.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 20,
) -> None:
    """List jobs, the newest first."""
    _check("--kind", kind, KINDS)
    _check("--status", status, STATUSES)
    start = None if since is None else times.moment("--since", since)
    whole = forms.chosen() != forms.TABLE
    found = choosing.chosen().latest(JobQuery(tenant, kind, status, start, by), limit, whole=whole)
    lines = forms.table(jobs.COLUMNS, map(jobs.row, found))
    forms.show(found, lines, nothing="There are no such jobs.")


def _check(option: str, given: str | None, known: Collection[str]) -> None:
    if given is not None and given not in known:
        raise WrongUse(f"{option} {errors.shown(given)}: must be one of {', '.join(known)}.")


@app.command()
def show(job_id: JobId) -> None:
    """Show one job."""
    job = choosing.chosen().find(_id(job_id))
    forms.show(job, jobs.lines(job))


@app.command()
def watch(
    job_id: JobId,
    *,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Exit with 3 after so long (30s, 10m, 2h)."),
    ] = None,
) -> None:
    """Watch a job until it ends; exits 0 only if it succeeded."""
    wanted = _id(job_id)
    limit_s = None if timeout is None else times.seconds("--timeout", timeout)
    try:
        backend = choosing.chosen()
        backend.find(wanted)  # a job that cannot be seen is not waited for
        data = watching.until_ended(backend, wanted, limit_s)
    except KeyboardInterrupt:
        terminal.say(f"Stopped watching. Job {wanted} is not affected.")
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(result.print_ended(data))


@app.command()
def cancel(job_id: JobId) -> None:
    """Cancel a job: chunks that workers hold are finished and count, no other is started."""
    wanted = _id(job_id)
    job = choosing.chosen().cancel(wanted)
    status = job["status"]
    left = status in ENDS and status != "cancelled"
    terminal.settle(FAILED if left else 0, f"Job {wanted} is {status}.")
    lines = []
    if status not in ENDS:
        lines = [f"Job {wanted} is being cancelled: chunks that workers hold are finished first."]
    elif status == "cancelled":
        left_out = terminal.counted(job["counts"]["unprocessed"], "item")
        lines = [f"Job {wanted} is cancelled; not processed: {left_out}."]
    forms.show(job, lines)
    if left:
        terminal.say(f"Job {wanted} had already ended ({status}): there is nothing to cancel.")
        raise typer.Exit(FAILED)


@app.command()
def retry(job_id: JobId) -> None:
    """Run an ended job again, on exactly its failed and unprocessed items."""
    wanted, backend = _id(job_id), choosing.chosen()
    job = backend.retry(wanted)
    _print(job, f"Job {wanted} runs again, on what failed or was left.")
    if note := backend.left():
        terminal.say(note)


@app.command()
def pause(job_id: JobId) -> None:
    """Pause a job: no further chunk is started until it is resumed."""
    wanted = _id(job_id)
    job = choosing.chosen().pause(wanted)
    line = f"Job {wanted} is paused: chunks that workers hold are finished first."
    _print(job, line)


@app.command()
def resume(job_id: JobId) -> None:
    """Continue a paused job."""
    wanted = _id(job_id)
    _print(choosing.chosen().resume(wanted), f"Job {wanted} continues.")


@app.command()
def receipt(
    job_id: JobId,
    *,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X",
            help=f"Only {', '.join(OUTCOMES)}.",
            autocompletion=suggestions.among(*OUTCOMES),
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="The same as --output csv.")] = False,
) -> None:
    """Print what became of each item of a job, one line each, as far as is known now."""
    wanted = [name for text in outcome or OUTCOMES for name in text.split(",")]
    for unknown in set(wanted) - set(OUTCOMES):
        raise WrongUse(f"--outcome {errors.shown(unknown)}: must be one of {', '.join(OUTCOMES)}.")
    if as_csv:
        forms.choose(forms.CSV)
    form = forms.chosen(forms.NDJSON)
    media = formats.CSV if form == forms.CSV else formats.NDJSON
    pieces = choosing.chosen().receipt(_id(job_id), wanted, media)
    if form in {forms.CSV, forms.NDJSON}:
        for piece in pieces:
            terminal.pass_on(piece)
    else:
        _print_rows(forms.lines_of(pieces), form)


def _print_rows(rows: Iterator[dict[str, Any]], form: str) -> None:
    """Print the rows of a receipt, all of which have the columns of the first."""
    first = next(rows, None)
    forms.stream(chain([first] if first else [], rows), list(first or ()), form)


@app.command()
def undo(  # noqa: PLR0913  # the options of the command
    job_id: JobId,
    *,
    no_wait: NoWait = False,
    dry_run: DryRun = False,
    max_affected: MaxAffected = None,
    strict: Strict = False,
    note: Note = None,
    callback_url: CallbackUrl = None,
) -> None:
    """Undo what an ended job has changed, as a new job."""
    wanted = _id(job_id)
    tenant = choosing.chosen().find(wanted)["tenant"]
    if tenant is None:
        raise WrongUse(
            f"Job {wanted} was rejected and has changed nothing: there is nothing to undo."
        )
    options = {"dry_run": dry_run, "max_affected": max_affected, "strict": strict, "note": note}
    options["callback_url"] = callback_url
    body = {"tenant": tenant, "job": str(wanted), **options}
    job = build_job(UndoJob, body, Reader(), {})
    submitting.submit(job, wait=not no_wait)


@app.command()
def run(job_id: JobId, *, no_wait: NoWait = False, note: Note = None) -> None:
    """Do what a preview (--dry-run) has shown, as a new job; again, it is the same one."""
    wanted, backend = _id(job_id), choosing.chosen()
    submitting.follow(backend, backend.run(wanted, note), wait=not no_wait)


def _print(job: Shown, line: str) -> None:
    terminal.settle(0, line)
    forms.show(job, [line])


def _id(text: str) -> UUID:
    """Return the job id that was typed."""
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse(f"{errors.shown(text)} is not a job id: job ids are UUIDs.") from None
