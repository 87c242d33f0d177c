"""A valid job on its way: recorded where it is never lost, then waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.backends.choosing import Way
from tagsweep.producer.cli.commands import watching
from tagsweep.producer.cli.exit_status import INTERRUPTED
from tagsweep.producer.cli.output import result, terminal
from tagsweep.worker.errors import Retryable, TagsweepError
from tagsweep.worker.models.jobs import Job


def submit(job: Job, *, wait: bool, as_json: bool) -> None:
    """Record ``job``, wait for its end unless told not to, and tell what became of it.

    Raises typer.Exit with the status of the command.
    """
    try:
        way = choosing.chosen()
        job_id = way.record(job)
    except Retryable as error:
        raise TagsweepError(f"{error} Nothing was done.") from error
    if not wait:
        result.tell_recorded(job_id, way.left(), as_json=as_json)
        return
    with _told_on_interrupt(way, job_id), way.working(job_id):
        status = result.tell(watching.until_ended(way, job_id), as_json=as_json)
    raise typer.Exit(status)


@contextmanager
def _told_on_interrupt(way: Way, job_id: UUID) -> Iterator[None]:
    """Say on Ctrl-C that the job goes on, and exit."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.say(f"Stopped waiting. Job {job_id} is recorded: {way.interrupted(job_id)}.")
        raise typer.Exit(INTERRUPTED) from None
