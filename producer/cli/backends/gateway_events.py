"""The completion events of a gateway's feed, and where the feed is at its end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from tagsweep.producer.cli.backends import sse
from tagsweep.producer.cli.backends.backend import Shown
from tagsweep.producer.cli.backends.http import Client
from tagsweep.producer.cli.output import terminal
from tagsweep.worker.models.events import MOST_ERRORS, MOST_TAGS
from tagsweep.worker.models.records import ENDS

#: fields that a job and its event have only if they apply
OPTIONAL = ("undoes", "dry_run", "remaining", "requested_by", "note", "warnings")
#: how long a feed is quiet before it is at its end; the same while an expected event is missing
QUIET_S, MISSING_S = 0.5, 5.0

#: which end of which job: the job's id and when it finished
End = tuple[str, str]


def completion(client: Client, job: Shown) -> dict[str, Any]:
    """Return the completion data of a job that has ended.

    It is in the job itself, except if the job shows only some of its tags or errors.
    """
    if len(job["tags"]) >= MOST_TAGS or len(job["errors"]) >= MOST_ERRORS:
        for text in until_shown(client, {_end(job)}):
            data: dict[str, Any] = json.loads(text)["data"]
            if _end(data) == _end(job):
                return data
    names = ("kind", "tenant", "status", "tags", "counts")
    times = ("accepted_at", "started_at", "finished_at")
    given = [*names, *times, "errors", "request", *(name for name in OPTIONAL if name in job)]
    return {"job_id": job["id"]} | {name: job[name] for name in given}


def follow(client: Client) -> Iterator[str | None]:
    """Yield the events of the feed, without end; None while there is none."""
    return sse.read(client)


def ends_of(jobs: Iterable[Shown]) -> set[End]:
    """Return the ends of those ``jobs`` that have ended."""
    return {_end(job) for job in jobs if job["status"] in ENDS}


def until_shown(client: Client, expected: set[End]) -> Iterator[str]:
    """Yield the events of the feed until the ``expected`` ends are among them and it is quiet.

    A feed does not say that it is at its end; that it has shown the ends that are known does.
    """
    heard_at = None
    for text in sse.read(client):
        if text is not None:
            expected.discard(_end(json.loads(text)["data"]))
            yield text
        if text is not None or heard_at is None:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > (MISSING_S if expected else QUIET_S):
            break
    if expected:
        jobs = terminal.counted(len(expected), "job")
        terminal.say(f"The feed shows no event of {jobs} that have ended.")


def _end(job: Shown) -> End:
    """Return the end that a job, or the data of its event, shows."""
    return job.get("id") or job["job_id"], job["finished_at"]
