"""Publish what the outbox holds, and answer those who wait: after the commit, at least once.

What a crash leaves behind, recovery publishes. A row is held while it is published, so that two
relays never publish it at the same time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from worker import database, outbox, settings, streams
from worker.errors import BrokerUnavailable
from worker.messaging import answers, exchange
from worker.models.events import failure
from worker.settings import REDIS, scheme

log = logging.getLogger(__name__)


def deliver(job_id: UUID | None = None) -> int:
    """Publish the events that wait, of one job or of all; return how many there were.

    Where a server does not take them they stay in the outbox; the feed of the store has them
    all the same.
    """
    with database.transaction() as connection:
        rows = outbox.claim(connection, job_id)
        up = answering = True  # a server that has just kept one row waiting is not asked for all
        for row in rows:
            event = json.loads(row.event)
            published = row.published_at is not None
            if not published and up:
                published = up = _done(_publish, event["type"], row.event)
            answered = row.answered_at is not None
            if not answered and answering:
                answered = answering = _answered(connection, row, event["data"])
            outbox.mark(connection, row, published=published, answered=answered)
            if published and row.published_at is None:
                _log_end(event["data"])
    return len(rows)


def republish(position: int) -> Iterator[str]:
    """Publish once more the events behind ``position`` in the feed; yield each that was.

    For readers that have lost some, or a stream that was wiped: its reader knows by the id what it
    has seen. Raises BrokerUnavailable.
    """
    while True:
        with database.reading() as connection:
            rows = outbox.after(connection, position)
        if not rows:
            return
        for row in rows:
            _publish(json.loads(row.event)["type"], row.event)
            yield row.event
            position = row.position


def answer(data: dict[str, Any], replies: list[tuple[str, str]]) -> None:
    """Give an ended job's completion data, or its failure, to its Celery callers."""
    answers.give(data["job_id"], failure(data) or data, replies)


def _answered(connection: Connection, row: Row[Any], data: dict[str, Any]) -> bool:
    """Answer those who wait for the job; False, and they are remembered, where that failed."""
    replies = outbox.take_replies(connection, row.job_id)
    if _done(_answer, row.end, data, replies):
        return True
    for reply_to, correlation_id in replies:
        outbox.remember_reply(connection, row.job_id, reply_to, correlation_id)
    return False


def _answer(end: int, data: dict[str, Any], replies: list[tuple[str, str]]) -> None:
    if end > 1:  # or the one before would stand
        answers.forget(data["job_id"])
    answer(data, replies)


def _publish(event_type: str, event: str) -> None:
    url = settings.load().events_target
    if url is None:
        return
    if scheme(url) in REDIS:
        streams.publish_event(url, event)
    else:
        exchange.publish(url, event_type, event)


def _log_end(data: dict[str, Any]) -> None:
    counts = " ".join(f"{name}={count}" for name, count in data["counts"].items())
    words = "job %s of tenant %s: %s %s, %s"
    log.info(words, data["job_id"], data["tenant"], data["kind"], data["status"], counts)


def _done(step: Callable[..., None], *arguments: Any) -> bool:
    try:
        step(*arguments)
    except BrokerUnavailable as error:
        log.warning("%s It stays in the outbox and is tried again.", error)
        return False
    return True
