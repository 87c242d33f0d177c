"""What others left in an embedded store: done by the next command that runs a worker."""

from __future__ import annotations

import time

from tagsweep.producer.cli.output import result, terminal
from tagsweep.worker import database
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.records import JobRecord

POLL_S = 0.1
#: how long nothing may happen to others' jobs before they are left to another command
PATIENCE_S = 10
#: others' jobs that are looked at
MOST = 1_000


def finish(own: JobRecord) -> None:
    """Wait while jobs recorded before this one stand open, and something happens to them.

    So a job that was left behind is done by the next command that runs a worker, small or not.
    """
    try:
        _wait(own)
    except KeyboardInterrupt:
        terminal.say("Left the earlier jobs to the next command that runs a worker.")


def _wait(own: JobRecord) -> None:
    since, seen = time.monotonic(), None
    while jobs := _earlier(own):
        number = result.counted(len(jobs), "job")
        if seen is None:
            terminal.say(f"Finishing what was recorded before: {number}.")
        state = {(job.id, job.status, job.open) for job in jobs}
        if state != seen:
            since, seen = time.monotonic(), state
        elif time.monotonic() - since > PATIENCE_S:
            terminal.say(f"Nothing happens to {number} recorded before: left to a worker.")
            return
        time.sleep(POLL_S)


def _earlier(own: JobRecord) -> list[JobRecord]:
    with database.reading() as connection:
        jobs = [
            *queries.latest(connection, None, "queued", MOST),
            *queries.latest(connection, None, "running", MOST),
        ]
    ready = (job for job in jobs if job.status == "running" or job.complete)
    return [job for job in ready if job.accepted_at <= own.accepted_at and job.id != own.id]
