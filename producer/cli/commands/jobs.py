"""``tagsweep jobs``: what was asked for and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.backends.choosing import Shown
from tagsweep.producer.cli.commands import submitting, watching
from tagsweep.producer.cli.exit_status import FAILED, INTERRUPTED
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input import job as request
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.options import (
    DryRun,
    JobId,
    Json,
    MaxAffected,
    NoWait,
)
from tagsweep.producer.cli.output import result, terminal
from tagsweep.worker.models import formats
from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.views import OUTCOMES

app = typer.Typer(
    rich_markup_mode="rich",
    add_completion=False,
    help="List, show, watch or steer jobs; read their receipts.",
)

STATUSES = ("queued", "running", *sorted(ENDS))


@app.command("list")
def show_all(
    *,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    status: Annotated[str | None, typer.Option(help=f"Only {', '.join(STATUSES)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest jobs first."""
    if status is not None and status not in STATUSES:
        raise WrongUse(f"--status {errors.shown(status)}: must be one of {', '.join(STATUSES)}.")
    found = choosing.chosen().latest(tenant, status, limit, whole=as_json)
    if as_json:
        terminal.document(found)
    elif found:
        head = ["ID", "KIND", "TENANT", "STATUS", "DONE", "TOTAL", "CHANGED", "FAILED", "ACCEPTED"]
        terminal.table(head, [_row(job) for job in found])
    else:
        terminal.say("There are no such jobs.")


@app.command()
def show(job_id: JobId, *, as_json: Json = False) -> None:
    """Show one job."""
    wanted = _id(job_id)
    job = choosing.chosen().find(wanted)
    if as_json:
        terminal.document(job)
        return
    for name, value in job.items():
        terminal.tell(f"{name:<12} {_cell(name, value)}")


@app.command()
def watch(job_id: JobId, *, as_json: Json = False) -> None:
    """Watch a job till it ends; exits 0 only if it succeeded."""
    wanted = _id(job_id)
    try:
        way = choosing.chosen()
        way.find(wanted)  # what cannot even be seen is not waited for
        data = watching.until_ended(way, wanted)
    except KeyboardInterrupt:
        terminal.say(f"Stopped watching. Job {wanted} is as it was.")
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(result.tell(data, as_json=as_json))


@app.command()
def cancel(job_id: JobId, *, as_json: Json = False) -> None:
    """Let no further chunk of a job begin; what a worker has in hand is finished and counts."""
    wanted = _id(job_id)
    job = choosing.chosen().cancel(wanted)
    status = job["status"]
    if as_json:
        terminal.document(job)
    elif status not in ENDS:
        terminal.tell(f"Job {wanted} is being cancelled: the chunks in hand are finished first.")
    elif status == "cancelled":
        unprocessed = job["counts"]["unprocessed"]
        terminal.tell(f"Job {wanted} is cancelled: {unprocessed:,} items were not tried.")
    if status in ENDS and status != "cancelled":
        terminal.say(f"Job {wanted} had ended before ({status}): there is nothing to cancel.")
        raise typer.Exit(FAILED)


@app.command()
def retry(job_id: JobId, *, as_json: Json = False) -> None:
    """Let an ended job run again, on exactly its failed and unprocessed items."""
    wanted, way = _id(job_id), choosing.chosen()
    job = way.retry(wanted)
    _tell(job, f"Job {wanted} runs again, on what had failed or was left.", as_json=as_json)
    if note := way.left():
        terminal.say(note)


@app.command()
def pause(job_id: JobId, *, as_json: Json = False) -> None:
    """Let no further chunk of a job begin till it is resumed."""
    wanted = _id(job_id)
    job = choosing.chosen().pause(wanted)
    _tell(job, f"Job {wanted} is paused: the chunks in hand are finished first.", as_json=as_json)


@app.command()
def resume(job_id: JobId, *, as_json: Json = False) -> None:
    """Let a paused job go on."""
    wanted = _id(job_id)
    _tell(choosing.chosen().resume(wanted), f"Job {wanted} goes on.", as_json=as_json)


@app.command()
def receipt(
    job_id: JobId,
    *,
    outcome: Annotated[
        list[str] | None, typer.Option(metavar="X", help=f"Only {', '.join(OUTCOMES)}.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of one JSON a line.")] = False,
) -> None:
    """Print what became of each item of a job, a line each, as far as is known now."""
    wanted = [one for text in outcome or OUTCOMES for one in text.split(",")]
    for one in set(wanted) - set(OUTCOMES):
        raise WrongUse(f"--outcome {errors.shown(one)}: must be one of {', '.join(OUTCOMES)}.")
    for piece in choosing.chosen().receipt(
        _id(job_id), wanted, formats.CSV if as_csv else formats.NDJSON
    ):
        terminal.pass_on(piece)


@app.command()
def undo(
    job_id: JobId,
    *,
    no_wait: NoWait = False,
    as_json: Json = False,
    dry_run: DryRun = False,
    max_affected: MaxAffected = None,
) -> None:
    """Take back what an ended job has changed, as a job of its own."""
    wanted = _id(job_id)
    tenant = choosing.chosen().find(wanted)["tenant"]
    if tenant is None:
        raise WrongUse(f"Job {wanted} was rejected and has changed nothing: nothing to undo.")
    options = {"dry_run": dry_run, "max_affected": max_affected}
    body = {"tenant": tenant, "job": str(wanted), **options}
    job = request.build(UndoJob, body, Reader(), {})
    submitting.submit(job, wait=not no_wait, as_json=as_json)


def _tell(job: Shown, line: str, *, as_json: bool) -> None:
    if as_json:
        terminal.document(job)
    else:
        terminal.tell(line)


def _id(text: str) -> UUID:
    """Return the job's id that was typed."""
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse(f"{errors.shown(text)} is no job id: those are UUIDs.") from None


def _row(job: Shown) -> list[str]:
    counts = job["counts"]
    changed = counts.get("removed", counts.get("added"))
    numbers = (job["progress"]["done"], counts["total"], changed, counts["failed"])
    accepted = datetime.fromisoformat(job["accepted_at"]).astimezone()
    status = job["status"] + (", waiting" if "waiting" in job else "")
    told = [job["id"], job["kind"], job["tenant"] or "-", status]
    return [*told, *(f"{number:,}" for number in numbers), f"{accepted:%Y-%m-%d %H:%M:%S}"]


def _cell(name: str, value: Any) -> str:
    if name == "tags":
        return ", ".join(result.tag(one) for one in value) or "-"
    if name == "errors":
        return "; ".join(one["reason"] for one in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {what}" for what, number in value.items())
    return "-" if value is None else str(value)
