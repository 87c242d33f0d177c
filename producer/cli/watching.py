"""Waiting for jobs to end: by reading their rows, whoever does them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from producer.cli import terminal
from worker import database, outbox, progress
from worker.errors import NoSuchJob
from worker.models.records import JobRecord

POLL_S = 0.1
#: how long nothing may happen to a job before that is told
SILENCE_S = 5
#: how long nothing may happen to others' jobs before they are left to another command
PATIENCE_S = 10
#: others' jobs that are looked at
MOST_OTHERS = 1_000

STILL = "Nothing has happened to job {id} for {seconds} s: "
NOBODY = STILL + "no worker seems to run. Start one: tagsweep worker"
#: where the worker runs in this very process
HELD_UP = STILL + "something is in its way in the store. Ctrl-C leaves it to a later command."


def find(job_id: UUID) -> JobRecord:
    """Return the job as it is now; raises NoSuchJob."""
    with database.reading() as connection:
        job = progress.find(connection, job_id)
    if job is None:
        raise NoSuchJob(f"There is no job {job_id}: `tagsweep jobs list` shows those there are.")
    return job


def completion(job_id: UUID) -> dict[str, Any]:
    """Return the completion data of a job that has ended."""
    with database.reading() as connection:
        event = outbox.latest(connection, job_id)
    if event is None:
        raise NoSuchJob(f"There is no completion event of job {job_id}.")
    data: dict[str, Any] = event["data"]
    return data


def until_ended(job_id: UUID, silence: str = NOBODY) -> dict[str, Any]:
    """Show the job's bar till it has ended; return its completion data.

    ``silence`` is told, once, where nothing happens to the job.
    """
    with terminal.bar("waiting") as show:
        for job in _states(job_id, silence):
            done = job.total - job.unprocessed
            show(done, job.total if job.started_at else None, job.status)
    return completion(job_id)


def _states(job_id: UUID, silence: str) -> Iterator[JobRecord]:
    """Yield the job again and again till it has ended; say once where nothing happens to it."""
    since, seen, told = time.monotonic(), None, False
    while True:
        job = find(job_id)
        yield job
        if job.ended:
            return
        if (job.status, job.open) != seen:
            since, seen = time.monotonic(), (job.status, job.open)
        elif time.monotonic() - since > SILENCE_S and not told:
            terminal.say(silence.format(id=job_id, seconds=SILENCE_S))
            told = True
        time.sleep(POLL_S)


def until_earlier_ended(job_id: UUID) -> None:
    """Wait while jobs recorded before this one stand open, and something happens to them.

    So a job that was left behind is done by the next command that runs a worker, small or not.
    """
    try:
        _wait_for_earlier(find(job_id))
    except KeyboardInterrupt:
        terminal.say("Left the earlier jobs to the next command that runs a worker.")


def _wait_for_earlier(own: JobRecord) -> None:
    since, seen = time.monotonic(), None
    while jobs := _earlier(own):
        if seen is None:
            terminal.say(f"Finishing what was recorded before: {_number(jobs)}.")
        state = {(job.id, job.status, job.open) for job in jobs}
        if state != seen:
            since, seen = time.monotonic(), state
        elif time.monotonic() - since > PATIENCE_S:
            terminal.say(f"Nothing happens to {_number(jobs)} recorded before: left to a worker.")
            return
        time.sleep(POLL_S)


def _number(jobs: list[JobRecord]) -> str:
    return "1 job" if len(jobs) == 1 else f"{len(jobs):,} jobs"


def _earlier(own: JobRecord) -> list[JobRecord]:
    with database.reading() as connection:
        jobs = [
            *progress.latest(connection, None, "queued", MOST_OTHERS),
            *progress.latest(connection, None, "running", MOST_OTHERS),
        ]
    ready = (job for job in jobs if job.status == "running" or job.complete)
    return [job for job in ready if job.accepted_at <= own.accepted_at and job.id != own.id]
