"""The outbox: one event for each end of a job, written in the transaction that ends it.

Each is published at least once, the same event each time (``events.relay``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    Row,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from tagsweep.worker.database import pipelines
from tagsweep.worker.database.dialects import is_sqlite, upsert
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.events import feed
from tagsweep.worker.models.events import JobCompleted
from tagsweep.worker.models.tables import PackedIds, callback, clock, outbox, reply

#: most events published in one transaction
MOST_AT_ONCE = 100


def append(connection: Connection, event: JobCompleted) -> None:
    """Store ``event``: once the caller's transaction is committed, it will be published."""
    ended = event.completion
    row = {"job_id": ended.job_id, "end": event.end, "tenant": ended.tenant}
    connection.execute(outbox.insert(), row | {"event": text(event.envelope())})


def text(envelope: dict[str, Any]) -> str:
    """Return an event as it is written down, and published to the letter."""
    return json.dumps(envelope, separators=(",", ":"))


def latest(connection: Connection, job_id: UUID) -> dict[str, Any] | None:
    """Return the event of the job's latest end; None if it has not ended."""
    query = select(outbox.c.event).where(outbox.c.job_id == job_id).order_by(outbox.c.end.desc())
    event = connection.execute(query.limit(1)).scalar()
    return json.loads(event) if event else None


def _waiting() -> ColumnElement[bool]:
    columns = (outbox.c.published_at, outbox.c.answered_at, outbox.c.position)
    return or_(*(column.is_(None) for column in columns))


#: whether callbacks of the job are still to be run
_HUNG_ON = exists().where(callback.c.job_id == outbox.c.job_id, callback.c.carried_out_at.is_(None))
_CLAIM = (
    select(outbox, _HUNG_ON.label("hung_on"))
    .where(_waiting())
    .order_by(outbox.c.created_at, outbox.c.end)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
#: the same of some jobs on PostgreSQL, in the round trip that begins the transaction
_CLAIM_AT_ONCE = Statement("""
    SELECT job_id, "end", event, position, published_at, answered_at, EXISTS (
               SELECT FROM @callback AS hung
               WHERE hung.job_id = waiting.job_id AND hung.carried_out_at IS NULL) AS hung_on
    FROM @outbox AS waiting
    WHERE job_id = ANY (:job_ids)
      AND (published_at IS NULL OR answered_at IS NULL OR position IS NULL)
    ORDER BY created_at, "end" FOR UPDATE SKIP LOCKED
""").bindparams(bindparam("job_ids", type_=PackedIds()))


def claim(
    connection: Connection, job_ids: Collection[UUID] = (), limit: int = MOST_AT_ONCE
) -> Sequence[Any]:
    """Lock and return the rows that wait to be published, oldest first: of these jobs, or of all.

    Rows that another process is publishing are skipped.
    """
    if not job_ids:
        return connection.execute(_CLAIM, {"limit": limit}).all()
    if is_sqlite(connection):
        these = _CLAIM.where(outbox.c.job_id.in_(job_ids))
        return connection.execute(these, {"limit": limit}).all()
    with pipelines.pipelined(connection):
        rows = send_claim(connection, job_ids)
    return rows()


def send_claim(connection: Connection, job_ids: Collection[UUID]) -> pipelines.Rows:
    """Claim the rows of these jobs on PostgreSQL, together with what else is sent."""
    values = {"job_ids": b"".join(one.bytes for one in job_ids)}
    return pipelines.send(connection, _CLAIM_AT_ONCE, values)


def waiting(connection: Connection) -> bool:
    """Tell whether any event waits to be published."""
    return bool(connection.execute(select(outbox.c.job_id).where(_waiting()).limit(1)).first())


def mark(
    connection: Connection,
    rows: Sequence[Row[Any]],
    published: Collection[Row[Any]],
    answered: Collection[Row[Any]],
) -> None:
    """Record what was done with locked rows, and give each its position in the feed.

    The feed's one row stays locked until the commit: positions become visible in order, so a reader
    that has seen n has seen all before n. A sequence would leave gaps that are filled later.
    """
    new = [row for row in rows if row.position is None]
    last = feed.advance(connection, len(new)) if new else 0
    positions = {id(row): last - len(new) + at for at, row in enumerate(new, 1)}
    are_published, are_answered = set(map(id, published)), set(map(id, answered))
    marked = [
        {
            "of_job": row.job_id,
            "of_end": row.end,
            "at": positions.get(id(row), row.position),
            "is_published": id(row) in are_published,
            "is_answered": id(row) in are_answered,
        }
        for row in rows
    ]
    if is_sqlite(connection):
        connection.execute(_MARK, marked)
        return
    columns: dict[str, Any] = {name: [one[name] for one in marked] for name in marked[0]}
    columns["of_job"] = b"".join(row.job_id.bytes for row in rows)
    connection.execute(_MARK_ALL, columns)


_MARK_ALL = Statement("""
    UPDATE @outbox AS done
    SET position = item.at,
        published_at = coalesce(published_at, CASE WHEN is_published THEN clock_timestamp() END),
        answered_at = coalesce(answered_at, CASE WHEN is_answered THEN clock_timestamp() END)
    FROM unnest(:of_job, CAST(:of_end AS int[]), CAST(:at AS bigint[]),
                CAST(:is_published AS bool[]), CAST(:is_answered AS bool[]))
        AS item (job_id, "end", at, is_published, is_answered)
    WHERE done.job_id = item.job_id AND done."end" = item."end"
""").bindparams(bindparam("of_job", type_=PackedIds()))


def _when(done: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the current time if the step ``done`` was done and the column is still empty."""
    return case((and_(bindparam(done, type_=Boolean), column.is_(None)), clock()), else_=column)


_MARK = (
    update(outbox)
    .where(outbox.c.job_id == bindparam("of_job"), outbox.c.end == bindparam("of_end"))
    .values(
        position=bindparam("at"),
        published_at=_when("is_published", outbox.c.published_at),
        answered_at=_when("is_answered", outbox.c.answered_at),
    )
)


def remember_replies(connection: Connection, replies: Collection[tuple[UUID, str, str]]) -> None:
    """Record who waits for results: of each its job, and its ``reply_to`` and correlation id.

    ``reply_to`` is empty if the result is to be stored under another spelling of the job's id.
    """
    if not replies:
        return
    rows = [
        {"job_id": job_id, "reply_to": reply_to, "correlation_id": correlation}
        for job_id, reply_to, correlation in replies
    ]
    connection.execute(upsert(connection, reply, {"times": reply.c.times + 1}), rows)


_TAKE_REPLIES = (
    delete(reply).where(reply.c.job_id.in_(bindparam("job_ids", expanding=True))).returning(reply)
)


def take_replies(
    connection: Connection, job_ids: Collection[UUID]
) -> dict[UUID, list[tuple[str, str]]]:
    """Delete and return who waits for these jobs: pairs of reply_to and correlation id."""
    found: dict[UUID, list[tuple[str, str]]] = {}
    for row in connection.execute(_TAKE_REPLIES, {"job_ids": list(job_ids)}):
        some = found.setdefault(row.job_id, [])
        some += [(row.reply_to, row.correlation_id)] * row.times
    return found


def drop(connection: Connection, job_id: UUID) -> None:
    """Delete the events of a job, and note in the feed up to where some are missing."""
    gone = delete(outbox).where(outbox.c.job_id == job_id).returning(outbox.c.position)
    positions = [row.position for row in connection.execute(gone)]
    if positions:
        feed.forget(connection, max(positions))


def is_published(job_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Return the condition that no event of the job waits to be published."""
    return ~select(outbox.c.job_id).where(outbox.c.job_id == job_id, _waiting()).exists()


def oldest_unpublished(connection: Connection) -> datetime | None:
    """Return when the oldest event that waits to be published was written."""
    return connection.execute(select(func.min(outbox.c.created_at)).where(_waiting())).scalar()
