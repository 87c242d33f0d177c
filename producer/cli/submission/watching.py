"""Wait for a job to end, with a progress bar, whoever works on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from tagsweep.producer.cli.backends.backend import Backend, Shown
from tagsweep.producer.cli.backends.reconnecting import Unfinished, until_available
from tagsweep.producer.cli.output import terminal
from tagsweep.worker.models.records import ENDS

#: how long a job may make no progress before that is reported
SILENCE_S = 5
NOT_ENDED = "Job {id} is {status}, and the time to wait is over. It continues."


def until_ended(backend: Backend, job_id: UUID, limit_s: float | None = None) -> dict[str, Any]:
    """Show the progress of a recorded job until it has ended; return its completion data.

    Waits for a server that is away; raises Unfinished if it does not come back, or if the job has
    not ended after ``limit_s``.
    """
    deadline = float("inf") if limit_s is None else time.monotonic() + limit_s
    job: Shown = {}
    with terminal.bar("waiting") as show:
        for job in _states(backend, job_id):
            now = job["progress"]
            show(now["done"], now["total"] if job["started_at"] else None, job["status"])
            if time.monotonic() > deadline and job["status"] not in ENDS:
                raise Unfinished(NOT_ENDED.format(id=job_id, status=job["status"]))
    return until_available(job_id, partial(backend.completion, job))


def _states(backend: Backend, job_id: UUID) -> Iterator[Shown]:
    """Yield the job again and again until it has ended.

    Says once if it makes no progress, and each reason for which it waits.
    """
    since, seen, reported = time.monotonic(), None, False
    reasons: set[str] = set()
    for pause in backend.pauses():
        job = until_available(job_id, partial(backend.find, job_id))
        yield job
        if job["status"] in ENDS:
            return
        reason = job.get("waiting")
        if reason and reason not in reasons:
            terminal.say(f"Job {job_id} waits, and is tried again: {reason}")
            reasons.add(reason)
        now = (job["status"], job["progress"]["done"])
        if reason or now != seen:
            since, seen = time.monotonic(), now
        elif time.monotonic() - since > SILENCE_S and not reported:
            terminal.say(f"Job {job_id} has made no progress for {SILENCE_S} s: {backend.silence}")
            reported = True
        time.sleep(pause)
