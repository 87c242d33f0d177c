"""Publish the events in the outbox and answer waiting callers: after the commit, at least once.

What a crash leaves behind, recovery publishes. A row is locked while it is published, so that two
relays never publish it at the same time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from tagsweep.worker import database, settings
from tagsweep.worker.broker import results, sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.errors import BrokerUnavailable
from tagsweep.worker.events import callbacks, outbox, reading, sinks
from tagsweep.worker.models.events import failure
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

STAYS = "{error} It stays in the outbox and is tried again."

_unpublished = Outage(log, "Events are published again")
_uncalled = Outage(log, "Callbacks are sent again")
_unanswered = Outage(log, "Results are delivered again")


def deliver(*job_ids: UUID) -> int:
    """Publish the waiting events, of these jobs or of all; return how many there were.

    Events that a server does not take stay in the outbox; the store's own feed has them anyway.
    """
    with database.transaction() as connection:
        rows = outbox.claim(connection, job_ids)
        if not rows:
            return 0
        published = publish(rows)
        settle(connection, rows, published)
    log_ends(published)
    return len(rows)


def is_hindered() -> bool:
    """Tell whether the latest event could not be published."""
    return _unpublished.lasts


def publish(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Publish those events of locked rows that are not; return these rows: all, or none."""
    rows = [row for row in rows if row.published_at is None]
    if not rows:
        return []
    try:
        _publish([row.event for row in rows])
    except BrokerUnavailable as error:
        _unpublished.failed(STAYS.format(error=error))
        return []
    _unpublished.over()
    return rows


def settle(
    connection: Connection, rows: Sequence[Row[Any]], published: Collection[Row[Any]]
) -> None:
    """Answer the callers of locked rows, and record it; ``published``: those that just were."""
    answered = _answered(connection, [row for row in rows if row.answered_at is None])
    outbox.mark(connection, rows, published, answered)


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


def republish(moment: datetime) -> Iterator[str]:
    """Publish again the events since ``moment``, in the feed's order; yield each one published.

    For readers that lost some, or a stream that was wiped: a reader recognizes by its id an event
    that it has seen. Raises BrokerUnavailable.
    """
    with database.reading() as connection:
        position = reading.position_at(connection, moment)
    while True:
        with database.reading() as connection:
            rows = reading.after(connection, position, outbox.MOST_AT_ONCE, reading.since(moment))
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


def log_ends(rows: Iterable[Row[Any]]) -> None:
    """Log the ends of jobs, whose events these are."""
    for data in map(_data, rows):
        counts = " ".join(f"{name}={count}" for name, count in data["counts"].items())
        words = "job %s of tenant %s: %s %s, %s"
        log.info(words, data["job_id"], data["tenant"], data["kind"], data["status"], counts)
