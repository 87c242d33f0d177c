"""Waiting for a job to end, with a bar, whoever does it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from tagsweep.producer.cli.backends.choosing import Shown, Way
from tagsweep.producer.cli.backends.patience import patiently
from tagsweep.producer.cli.output import terminal
from tagsweep.worker.models.records import ENDS

#: how long nothing may happen to a job before that is told
SILENCE_S = 5


def until_ended(way: Way, job_id: UUID) -> dict[str, Any]:
    """Show the bar of a job that is recorded till it has ended; return its completion data.

    A server that is away is waited for; raises Unfinished where that is in vain.
    """
    job: Shown = {}
    with terminal.bar("waiting") as show:
        for job in _states(way, job_id):
            now = job["progress"]
            show(now["done"], now["total"] if job["started_at"] else None, job["status"])
    return patiently(job_id, partial(way.completion, job))


def _states(way: Way, job_id: UUID) -> Iterator[Shown]:
    """Yield the job again and again till it has ended.

    Say once where nothing happens to it, and each reason for which it waits.
    """
    since, seen, told = time.monotonic(), None, False
    reasons: set[str] = set()
    for pause in way.pauses():
        job = patiently(job_id, partial(way.find, job_id))
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
        elif time.monotonic() - since > SILENCE_S and not told:
            terminal.say(f"Nothing has happened to job {job_id} for {SILENCE_S} s: {way.silence}")
            told = True
        time.sleep(pause)
