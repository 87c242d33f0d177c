"""A worker inside this process, on the embedded default, and the jobs left behind by others."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tagsweep.producer.cli.output import terminal
from tagsweep.worker import database
from tagsweep.worker.broker.runtime import embedded
from tagsweep.worker.jobs import queries
from tagsweep.worker.jobs.queries import JobFilter
from tagsweep.worker.models.records import JobRecord

#: where Celery logs what became of a task
LOGGER = "celery.app.trace"
POLL_S = 0.1
#: how long jobs of others may make no progress before they are left to another command
PATIENCE_S = 10
#: jobs of others that are looked at, of each status
MAX_JOBS = 1_000


@contextmanager
def running() -> Iterator[None]:
    """Run a worker during the block; say on stderr, once each, why its steps fail."""
    logger = logging.getLogger(LOGGER)
    reporter = _Reporter()
    logger.addHandler(reporter)
    try:
        with embedded.worker():
            yield
    finally:
        logger.removeHandler(reporter)


class _Reporter(logging.Handler):
    """Prints each cause of a failure once; Celery itself would be silent."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._reported: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        failure = getattr(record, "data", {}).get("exc") or record.getMessage()
        cause = str(failure).partition("\n")[0]
        if cause not in self._reported:
            self._reported.add(cause)
            terminal.say(f"A step of the worker failed and is tried again: {cause}")


def finish_earlier(own: JobRecord) -> None:
    """Wait until jobs recorded before ``own`` have ended, as long as they make progress.

    So a job that was left behind is done by the next command that runs a worker, however small
    its own job is.
    """
    try:
        _wait(own)
    except KeyboardInterrupt:
        terminal.say("The earlier jobs are left to the next command that runs a worker.")


def _wait(own: JobRecord) -> None:
    since, seen = time.monotonic(), None
    while jobs := _earlier(own):
        number = terminal.counted(len(jobs), "job")
        if seen is None:
            terminal.say(f"Finishing what was recorded earlier: {number}.")
        state = {(job.id, job.status, job.open) for job in jobs}
        if state != seen:
            since, seen = time.monotonic(), state
        elif time.monotonic() - since > PATIENCE_S:
            terminal.say(f"No progress on {number} recorded earlier: left to another worker.")
            return
        time.sleep(POLL_S)


def _earlier(own: JobRecord) -> list[JobRecord]:
    with database.reading() as connection:
        jobs = [
            *queries.page(connection, JobFilter(status="queued"), None, MAX_JOBS),
            *queries.page(connection, JobFilter(status="running"), None, MAX_JOBS),
        ]
    ready = (job for job in jobs if job.status == "running" or job.complete)
    return [job for job in ready if job.accepted_at <= own.accepted_at and job.id != own.id]
