"""``tagsweep jobs``: list, show, watch and control jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.backends.backend import Shown
from tagsweep.producer.cli.exit_status import FAILED, INTERRUPTED
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.job import build_job
from tagsweep.producer.cli.input.options import (
    DryRun,
    JobId,
    Json,
    MaxAffected,
    NoWait,
)
from tagsweep.producer.cli.output import result, terminal
from tagsweep.producer.cli.submission import submitting, watching
from tagsweep.worker.models import formats
from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.views import OUTCOMES

app = typer.Typer(
    rich_markup_mode="rich",
    add_completion=False,
    help="List, show, watch or control jobs; read their receipts.",
)

STATUSES = ("queued", "running", *sorted(ENDS))


@app.command("list")
def show_all(
    *,
    tenant: Annotated[str | None, typer.Option(help="Only jobs of this tenant.")] = None,
    status: Annotated[str | None, typer.Option(help=f"Only {', '.join(STATUSES)}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first."""
    if status is not None and status not in STATUSES:
        raise WrongUse(f"--status {errors.shown(status)}: must be one of {', '.join(STATUSES)}.")
    jobs = choosing.chosen().latest(tenant, status, limit, whole=as_json)
    if as_json:
        terminal.document(jobs)
    elif jobs:
        head = ["ID", "KIND", "TENANT", "STATUS", "DONE", "TOTAL", "CHANGED", "FAILED", "ACCEPTED"]
        terminal.table(head, [_row(job) for job in jobs])
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
        terminal.write_line(f"{name:<12} {_cell(name, value)}")


@app.command()
def watch(job_id: JobId, *, as_json: Json = False) -> None:
    """Watch a job until it ends; exits 0 only if it succeeded."""
    wanted = _id(job_id)
    try:
        backend = choosing.chosen()
        backend.find(wanted)  # a job that cannot be seen is not waited for
        data = watching.until_ended(backend, wanted)
    except KeyboardInterrupt:
        terminal.say(f"Stopped watching. Job {wanted} is not affected.")
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(result.print_ended(data, as_json=as_json))


@app.command()
def cancel(job_id: JobId, *, as_json: Json = False) -> None:
    """Cancel a job: chunks that workers hold are finished and count, no other is started."""
    wanted = _id(job_id)
    job = choosing.chosen().cancel(wanted)
    status = job["status"]
    if as_json:
        terminal.document(job)
    elif status not in ENDS:
        terminal.write_line(
            f"Job {wanted} is being cancelled: chunks that workers hold are finished first."
        )
    elif status == "cancelled":
        unprocessed = job["counts"]["unprocessed"]
        terminal.write_line(f"Job {wanted} is cancelled: {unprocessed:,} items were not processed.")
    if status in ENDS and status != "cancelled":
        terminal.say(f"Job {wanted} had already ended ({status}): there is nothing to cancel.")
        raise typer.Exit(FAILED)


@app.command()
def retry(job_id: JobId, *, as_json: Json = False) -> None:
    """Run an ended job again, on exactly its failed and unprocessed items."""
    wanted, backend = _id(job_id), choosing.chosen()
    job = backend.retry(wanted)
    _print(job, f"Job {wanted} runs again, on what failed or was left.", as_json=as_json)
    if note := backend.left():
        terminal.say(note)


@app.command()
def pause(job_id: JobId, *, as_json: Json = False) -> None:
    """Pause a job: no further chunk is started until it is resumed."""
    wanted = _id(job_id)
    job = choosing.chosen().pause(wanted)
    line = f"Job {wanted} is paused: chunks that workers hold are finished first."
    _print(job, line, as_json=as_json)


@app.command()
def resume(job_id: JobId, *, as_json: Json = False) -> None:
    """Continue a paused job."""
    wanted = _id(job_id)
    _print(choosing.chosen().resume(wanted), f"Job {wanted} continues.", as_json=as_json)


@app.command()
def receipt(
    job_id: JobId,
    *,
    outcome: Annotated[
        list[str] | None, typer.Option(metavar="X", help=f"Only {', '.join(OUTCOMES)}.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of one JSON a line.")] = False,
) -> None:
    """Print what became of each item of a job, one line each, as far as is known now."""
    wanted = [name for text in outcome or OUTCOMES for name in text.split(",")]
    for unknown in set(wanted) - set(OUTCOMES):
        raise WrongUse(f"--outcome {errors.shown(unknown)}: must be one of {', '.join(OUTCOMES)}.")
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
    """Undo what an ended job has changed, as a new job."""
    wanted = _id(job_id)
    tenant = choosing.chosen().find(wanted)["tenant"]
    if tenant is None:
        raise WrongUse(
            f"Job {wanted} was rejected and has changed nothing: there is nothing to undo."
        )
    options = {"dry_run": dry_run, "max_affected": max_affected}
    body = {"tenant": tenant, "job": str(wanted), **options}
    job = build_job(UndoJob, body, Reader(), {})
    submitting.submit(job, wait=not no_wait, as_json=as_json)


def _print(job: Shown, line: str, *, as_json: bool) -> None:
    if as_json:
        terminal.document(job)
    else:
        terminal.write_line(line)


def _id(text: str) -> UUID:
    """Return the job id that was typed."""
    try:
        return UUID(text)
    except ValueError:
        raise WrongUse(f"{errors.shown(text)} is not a job id: job ids are UUIDs.") from None


def _row(job: Shown) -> list[str]:
    counts = job["counts"]
    changed = counts.get("removed", counts.get("added"))
    numbers = (job["progress"]["done"], counts["total"], changed, counts["failed"])
    accepted = datetime.fromisoformat(job["accepted_at"]).astimezone()
    status = job["status"] + (", waiting" if "waiting" in job else "")
    cells = [job["id"], job["kind"], job["tenant"] or "-", status]
    return [*cells, *(f"{number:,}" for number in numbers), f"{accepted:%Y-%m-%d %H:%M:%S}"]


def _cell(name: str, value: Any) -> str:
    if name == "tags":
        return ", ".join(result.tag(tag) for tag in value) or "-"
    if name == "errors":
        return "; ".join(error["reason"] for error in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {word}" for word, number in value.items())
    return "-" if value is None else str(value)
