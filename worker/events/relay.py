"""Publish the events in the outbox and answer waiting callers: after the commit, at least once.

What a crash leaves behind, recovery publishes. A row is locked while it is published, so that two
relays never publish it at the same time.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from tagsweep.worker import database, settings
from tagsweep.worker.broker import results, sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.broker.runtime import pool_process
from tagsweep.worker.errors import BrokerUnavailable, TagsweepError
from tagsweep.worker.events import callbacks, outbox, sinks
from tagsweep.worker.models.events import failure
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

STAYS = "{error} It stays in the outbox and is tried again."
#: seconds that a pool process may take at its end to publish the ends of its jobs
END_S = 2
#: seconds between two batches of ends in a flood of small jobs
GATHER_S = 0.05
#: so many ends at once are a flood
FLOOD = 16

_unpublished = Outage(log, "Events are published again")
_uncalled = Outage(log, "Callbacks are sent again")
_unanswered = Outage(log, "Results are delivered again")
_ended: queue.SimpleQueue[tuple[UUID, ...] | None] = queue.SimpleQueue()
_thread = threading.Event()  #: set once this process has a publishing thread
_ending = threading.Event()  #: set once this process is about to exit


def publish(*job_ids: UUID) -> None:
    """Publish the ends of jobs: in a pool process soon, by a thread; elsewhere here and now.

    In a flood of small jobs the thread gathers ends for a moment and publishes them in batches.
    """
    if not pool_process.in_pool.is_set():
        deliver(*job_ids)
        return
    if not _thread.is_set():
        _thread.set()
        serving = threading.Thread(target=_serve, name="tagsweep-relay", daemon=True)
        pool_process.at_end.append(lambda: _finish(serving))
        serving.start()
    _ended.put(job_ids)


def _finish(serving: threading.Thread) -> None:
    _ending.set()
    _ended.put(None)
    serving.join(END_S)


def _serve() -> None:
    running = True
    while running:
        gathered = [_ended.get()]
        with suppress(queue.Empty):
            while sum(map(len, filter(None, gathered))) < outbox.MOST_AT_ONCE:
                gathered.append(_ended.get_nowait())
        running = None not in gathered
        job_ids = [job_id for some in gathered if some is not None for job_id in some]
        if not job_ids:  # an empty list would mean all jobs
            return
        try:
            for start in range(0, len(job_ids), outbox.MOST_AT_ONCE):
                deliver(*job_ids[start : start + outbox.MOST_AT_ONCE])
        except TagsweepError as error:
            log.warning("The ends of jobs are left to recovery: %s", error)
        except Exception:  # the ends of later jobs must be published too
            log.exception("The ends of jobs are left to recovery.")
        if running and len(job_ids) >= FLOOD:
            _ending.wait(GATHER_S)


def deliver(*job_ids: UUID) -> int:
    """Publish the waiting events, of these jobs or of all; return how many there were.

    Events that a server does not take stay in the outbox; the store's own feed has them anyway.
    """
    with database.transaction() as connection:
        rows = outbox.claim(connection, job_ids)
        if not rows:
            return 0
        published = _published([row for row in rows if row.published_at is None])
        answered = _answered(connection, [row for row in rows if row.answered_at is None])
        outbox.mark(connection, rows, published, answered)
    for row in published:
        _log_end(json.loads(row.event)["data"])
    return len(rows)


def _published(rows: list[Row[Any]]) -> list[Row[Any]]:
    """Publish the events of ``rows``; return the rows that were published: all, or none."""
    if not rows:
        return []
    try:
        _publish([row.event for row in rows])
    except BrokerUnavailable as error:
        _unpublished.failed(STAYS.format(error=error))
        return []
    _unpublished.over()
    return rows


def _answered(connection: Connection, rows: list[Row[Any]]) -> list[Row[Any]]:
    """Answer the callers of the jobs of ``rows`` and run their callbacks; return the rows done."""
    if not rows:
        return []
    replies = outbox.take_replies(connection, [row.job_id for row in rows])
    try:
        _answer(rows, replies)
    except BrokerUnavailable as error:
        _unanswered.failed(STAYS.format(error=error))
        waiting = [(job_id, *one) for job_id, some in replies.items() for one in some]
        outbox.remember_replies(connection, waiting)
        return []
    done = [row for row in rows if not row.hung_on]
    hung_on = (row for row in rows if row.hung_on)
    try:
        done.extend(row for row in hung_on if _carried_out(connection, _data(row)))
        _unanswered.over()
    except BrokerUnavailable as error:
        _unanswered.failed(STAYS.format(error=error))
    return done


def _data(row: Row[Any]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(row.event)["data"]
    return data


def _carried_out(connection: Connection, data: dict[str, Any]) -> bool:
    """Run the callbacks of a job; return False if a queue that they go to refuses them.

    Raises BrokerUnavailable if the whole broker is unreachable: other jobs need not be tried then.
    """
    try:
        callbacks.carry_out(connection, data)
    except BrokerUnavailable as error:
        _uncalled.failed(STAYS.format(error=f"The callbacks of job {data['job_id']}: {error}"))
        sending.check(app())
        return False
    return True


def republish(position: int) -> Iterator[str]:
    """Publish again the events after ``position`` in the feed; yield each one published.

    For readers that lost some, or a stream that was wiped: a reader recognizes by its id an event
    that it has seen. Raises BrokerUnavailable.
    """
    while True:
        with database.reading() as connection:
            rows = outbox.after(connection, position)
        if not rows:
            return
        _publish([row.event for row in rows])
        for row in rows:
            yield row.event
            position = row.position


def answer(data: dict[str, Any], replies: list[tuple[str, str]]) -> None:
    """Send an ended job's completion data, or its failure, to its Celery callers."""
    results.give(data["job_id"], failure(data) or data, replies)


def _answer(rows: list[Row[Any]], replies: dict[UUID, list[tuple[str, str]]]) -> None:
    for row in rows:
        if row.end > 1:  # the result of the previous end would stay
            results.forget(row.job_id)
    ended = ((row, _data(row)) for row in rows)
    results.give_all(
        [(row.job_id, failure(data) or data, replies.get(row.job_id, [])) for row, data in ended]
    )


def _publish(events: list[str]) -> None:
    url = settings.load().events_target
    if url is not None:
        sinks.sink_for(url).publish(url, events)


def _log_end(data: dict[str, Any]) -> None:
    counts = " ".join(f"{name}={count}" for name, count in data["counts"].items())
    words = "job %s of tenant %s: %s %s, %s"
    log.info(words, data["job_id"], data["tenant"], data["kind"], data["status"], counts)


# a forked child does not inherit its parent's thread
os.register_at_fork(after_in_child=_thread.clear)
