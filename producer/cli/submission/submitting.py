"""Record a valid job where it is never lost, then wait for its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.backends.backend import Backend
from tagsweep.producer.cli.exit_status import INTERRUPTED
from tagsweep.producer.cli.output import result, terminal
from tagsweep.producer.cli.submission import watching
from tagsweep.worker.errors import Retryable, TagsweepError
from tagsweep.worker.models.jobs import Job


def submit(job: Job, *, wait: bool) -> None:
    """Record ``job``, wait for its end if ``wait``, and print how it ended.

    Raises typer.Exit with the exit status of the command.
    """
    try:
        backend = choosing.chosen()
        job_id = backend.record(job)
    except Retryable as error:
        raise TagsweepError(f"{error} Nothing was done.") from error
    follow(backend, job_id, wait=wait)


def follow(backend: Backend, job_id: UUID, *, wait: bool) -> None:
    """Wait for the end of a recorded job if ``wait``, and print how it ended.

    Raises typer.Exit with the exit status of the command.
    """
    if not wait:
        result.print_recorded(job_id, backend.left())
        return
    with _explained_on_interrupt(backend, job_id), backend.working(job_id):
        status = result.print_ended(watching.until_ended(backend, job_id))
    raise typer.Exit(status)


@contextmanager
def _explained_on_interrupt(backend: Backend, job_id: UUID) -> Iterator[None]:
    """On Ctrl-C say what becomes of the job, and exit."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.say(f"Stopped waiting. Job {job_id} is recorded: {backend.interrupted(job_id)}.")
        raise typer.Exit(INTERRUPTED) from None
