"""A Celery chord: chunks as tasks, and a callback that tells when all are done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import redis
from celery import Celery, chord

from benchmarks.contenders import links
from benchmarks.listening import DONE, Events
from benchmarks.work import Work, broker_url

app = Celery("chord", broker=broker_url(), backend=broker_url())


@app.task
def remove(tags: list[str], ids: list[str]) -> int:
    """Remove the tags from the resources."""
    return links.remove(tags, ids)


@app.task
def remove_tuned(tags: list[str], ids: list[str]) -> int:
    """Remove them with our own statement."""
    return links.remove_tuned(tags, ids)


@app.task
def tell(removed: list[int], job_id: str) -> None:
    """Publish the event."""
    event = {"subject": job_id, "removed": sum(removed)}
    _redis().xadd(DONE, {"data": json.dumps(event)})


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(broker_url())


class Run:
    """A reader of the events, kept."""

    task: Any = remove
    cut: Callable[[Work], Iterator[list[str]]] = staticmethod(links.chunks)

    def __init__(self) -> None:
        self._events = Events(broker_url(), DONE)
        self._jobs = 0

    def __call__(self, work: Work) -> dict[str, Any]:
        """Send the chord and wait until its event is in the stream."""
        self._jobs += 1
        parts = [self.task.s(work.tag_ids, ids) for ids in self.cut(work)]
        chord(parts)(tell.s(str(self._jobs)))
        return {"removed": self._events.wait_for(str(self._jobs))["removed"]}


class Tuned(Run):
    """The same with our statement, our order and our size of a chunk."""

    task = remove_tuned
    cut = staticmethod(links.tuned_chunks)
