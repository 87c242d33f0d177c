"""``tagsweep jobs``: what was asked for and what became of it, straight from the store."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from producer.cli import faults, outcome, terminal, watching
from producer.cli.faults import WrongUse
from producer.cli.menu import FAILED, INTERRUPTED
from producer.cli.options import JobId, Json
from worker import database, outbox, progress, relay, schema
from worker.models import summary
from worker.models.records import ENDS, JobRecord

app = typer.Typer(
    rich_markup_mode="rich", add_completion=False, help="List, show, watch or cancel jobs."
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
        raise WrongUse(f"--status {faults.shown(status)}: must be one of {', '.join(STATUSES)}.")
    schema.ready()
    with database.reading() as connection:
        found = progress.latest(connection, tenant, status, limit)
        events = {job.id: outbox.latest(connection, job.id) for job in found if as_json}
    if as_json:
        terminal.document([summary.of(job, events[job.id]) for job in found])
    elif found:
        head = ["ID", "KIND", "TENANT", "STATUS", "DONE", "TOTAL", "REMOVED", "FAILED", "ACCEPTED"]
        terminal.table(head, [_row(job) for job in found])
    else:
        terminal.say("There are no such jobs.")


@app.command()
def show(job_id: JobId, *, as_json: Json = False) -> None:
    """Show one job."""
    job = _summary(_known(job_id))
    if as_json:
        terminal.document(job)
        return
    for name, value in job.items():
        terminal.tell(f"{name:<12} {_cell(name, value)}")


@app.command()
def watch(job_id: JobId, *, as_json: Json = False) -> None:
    """Watch a job till it ends; exits 0 only if it succeeded."""
    job = _known(job_id)
    try:
        data = watching.until_ended(job.id)
    except KeyboardInterrupt:
        terminal.say(f"Stopped watching. Job {job.id} is as it was.")
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(outcome.tell(data, as_json=as_json))


@app.command()
def cancel(job_id: JobId, *, as_json: Json = False) -> None:
    """Let no further chunk of a job begin; what a worker has in hand is finished and counts."""
    before = _known(job_id)
    with database.transaction() as connection:
        job = progress.cancel(connection, before.id)
    relay.deliver(job.id)
    if as_json:
        terminal.document(_summary(job))
    elif not job.ended:
        terminal.tell(f"Job {job.id} is being cancelled: the chunks in hand are finished first.")
    elif job.status == "cancelled":
        terminal.tell(f"Job {job.id} is cancelled: {job.unprocessed:,} items were not tried.")
    if job.ended and job.status != "cancelled":
        terminal.say(f"Job {job.id} had ended before ({job.status}): there is nothing to cancel.")
        raise typer.Exit(FAILED)


def _known(text: str) -> JobRecord:
    """Return the job whose id was typed."""
    try:
        job_id = UUID(text)
    except ValueError:
        raise WrongUse(f"{faults.shown(text)} is no job id: those are UUIDs.") from None
    schema.ready()
    return watching.find(job_id)


def _summary(job: JobRecord) -> dict[str, Any]:
    with database.reading() as connection:
        return summary.of(job, outbox.latest(connection, job.id))


def _row(job: JobRecord) -> list[str]:
    done = job.total - job.unprocessed
    numbers = [f"{number:,}" for number in (done, job.total, job.removed, job.failed)]
    accepted = f"{job.accepted_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return [str(job.id), job.kind, job.tenant or "-", job.status, *numbers, accepted]


def _cell(name: str, value: Any) -> str:
    if name == "tags":
        return ", ".join(outcome.tag(one) for one in value) or "-"
    if name == "errors":
        return "; ".join(one["reason"] for one in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {what}" for what, number in value.items())
    return "-" if value is None else str(value)
