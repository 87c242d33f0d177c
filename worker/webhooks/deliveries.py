"""The log of a webhook's deliveries: listed, sent again, and deleted when they have expired."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, tuple_, update

from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.errors import Rejected
from tagsweep.worker.events import outbox, reading
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.tables import ago, clock, webhook
from tagsweep.worker.models.tables import delivery as deliveries
from tagsweep.worker.webhooks import matching
from tagsweep.worker.webhooks.callbacks import CALLBACK, WEBHOOK

WAITING, DELIVERED, FAILED = STATES = ("waiting", "delivered", "failed")
#: events that are looked at in one piece when many are sent again
PIECE = 500
#: days that deliveries are kept at least: longer than a receiver may fail
LEAST_DAYS = 7
#: rows deleted in one transaction
MOST_ROWS = 200

#: what a delivery is that is to be sent as if it never had been
_ANEW: dict[str, Any] = {"state": WAITING, "tries": 0, "due_at": clock(), "delivered_at": None}


class NoSuchDelivery(Rejected):
    """There is no such delivery."""


def total(connection: Connection, webhook_id: UUID, state: str | None) -> int:
    """Return how many deliveries a webhook has."""
    query = select(func.count()).where(_of(webhook_id, state))
    return int(connection.execute(query).scalar_one())


def page(  # noqa: PLR0913  # how a list is paged
    connection: Connection,
    webhook_id: UUID,
    state: str | None,
    cursor: tuple[datetime, str] | None,
    limit: int,
    *,
    back: bool = False,
    offset: int = 0,
) -> Sequence[Row[Any]]:
    """Return some deliveries of a webhook, the newest first; before ``cursor``: the other way."""
    place = tuple_(deliveries.c.created_at, deliveries.c.event_id)
    query = select(deliveries).where(_of(webhook_id, state))
    if cursor is not None:
        query = query.where(place > tuple_(*cursor) if back else place < tuple_(*cursor))
    order = (deliveries.c.created_at, deliveries.c.event_id)
    query = query.order_by(*(column if back else column.desc() for column in order))
    return connection.execute(query.limit(limit).offset(offset)).all()


def newest(connection: Connection, tenant: str) -> dict[UUID, Row[Any]]:
    """Return the newest delivery of each of the tenant's webhooks that has any."""
    last = select(deliveries.c.event_id).where(deliveries.c.webhook_id == webhook.c.id).limit(1)
    last = last.order_by(deliveries.c.created_at.desc(), deliveries.c.event_id.desc())
    own = (webhook.c.tenant == tenant) & (webhook.c.origin == WEBHOOK)
    # one look into the index for each webhook, however long their logs are
    keys = connection.execute(select(webhook.c.id, last.scalar_subquery()).where(own))
    key = tuple_(deliveries.c.webhook_id, deliveries.c.event_id)
    query = select(deliveries).where(key.in_([tuple(row) for row in keys if row[1] is not None]))
    return {row.webhook_id: row for row in connection.execute(query)}


def find(connection: Connection, webhook_id: UUID, event_id: str) -> Row[Any]:
    """Return a delivery; raises NoSuchDelivery."""
    row = connection.execute(select(deliveries).where(_this(webhook_id, event_id))).one_or_none()
    if row is None:
        raise NoSuchDelivery
    return row


def again(connection: Connection, webhook_id: UUID, event_id: str) -> Row[Any]:
    """Have a delivery sent again, by a schedule of its own; raises NoSuchDelivery."""
    find(connection, webhook_id, event_id)
    connection.execute(update(deliveries).where(_this(webhook_id, event_id)).values(_ANEW))
    return find(connection, webhook_id, event_id)


def again_since(connection: Connection, hook: Row[Any], moment: datetime) -> int:
    """Have all events since ``moment`` sent again that the webhook is for; return how many.

    ``moment`` itself is among it. Those too that it never got, since it was switched off or not
    there yet.
    """
    # by their own time: one that was written earlier may have come into the feed later
    then, position, count = reading.since(moment), 0, 0
    while rows := reading.of_tenant(connection, hook.tenant, position, PIECE, then):
        position = rows[-1].position
        events = [row.event for row in rows if matching.is_for(hook, json.loads(row.event))]
        count += len(events)
        add(connection, hook.id, events)
        ids = [json.loads(event)["id"] for event in events]
        these = (deliveries.c.webhook_id == hook.id) & deliveries.c.event_id.in_(ids)
        connection.execute(update(deliveries).where(these).values(_ANEW))
    return count


def test(connection: Connection, hook: Row[Any]) -> Row[Any]:
    """Send an event that tells of no job, and return its delivery."""
    event_id = f"test.{uuid4()}"
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/tagsweep/{hook.tenant}",
        "type": "tagsweep.webhook.test",
        "subject": str(hook.id),
        "time": stamp(datetime.now(UTC)),
        "datacontenttype": "application/json",
        "data": {"webhook": str(hook.id), "tenant": hook.tenant},
    }
    add(connection, hook.id, [outbox.text(event)])
    return find(connection, hook.id, event_id)


def add(connection: Connection, webhook_id: UUID, events: Iterable[str]) -> None:
    """Have events, JSON texts, sent to a webhook; those that it has already are left alone."""
    rows = [_row(webhook_id, event) for event in events]
    if rows:
        connection.execute(insert_missing(connection, deliveries), rows)


def shown(row: Row[Any]) -> dict[str, Any]:
    """Return a delivery as JSON, without what is sent."""
    return {
        "event_id": row.event_id,
        "job_id": row.job_id and str(row.job_id),
        "state": row.state,
        "created_at": stamp(row.created_at),
        "delivered_at": row.delivered_at and stamp(row.delivered_at),
        "next_attempt_at": stamp(row.due_at) if row.state == WAITING else None,
        "attempts": row.attempts,
    }


def expire(connection: Connection, seconds: float) -> bool:
    """Delete some deliveries that are so old, and URLs of callbacks without any.

    Those that still wait go too: their webhook has been switched off for so long. Return False if
    there were none.
    """
    some = select(deliveries.c.webhook_id, deliveries.c.event_id)
    some = some.where(deliveries.c.created_at < ago(seconds)).limit(MOST_ROWS)
    keys = [tuple(row) for row in connection.execute(some)]
    if keys:
        key = tuple_(deliveries.c.webhook_id, deliveries.c.event_id)
        connection.execute(delete(deliveries).where(key.in_(keys)))
    used = select(deliveries.c.event_id).where(deliveries.c.webhook_id == webhook.c.id).exists()
    old = (webhook.c.origin == CALLBACK) & (webhook.c.created_at < ago(seconds)) & ~used
    idle = [row.id for row in connection.execute(select(webhook.c.id).where(old).limit(MOST_ROWS))]
    if idle:
        connection.execute(delete(webhook).where(webhook.c.id.in_(idle), ~used))
    return bool(keys or idle)


def _of(webhook_id: UUID, state: str | None) -> ColumnElement[bool]:
    these = deliveries.c.webhook_id == webhook_id
    return these if state is None else these & (deliveries.c.state == state)


def _row(webhook_id: UUID, event: str) -> dict[str, Any]:
    envelope = json.loads(event)
    job_id = envelope["data"].get("job_id")
    return {
        "webhook_id": webhook_id,
        "event_id": envelope["id"],
        "job_id": UUID(job_id) if job_id else None,
        "body": event,
    }


def _this(webhook_id: UUID, event_id: str) -> ColumnElement[bool]:
    return (deliveries.c.webhook_id == webhook_id) & (deliveries.c.event_id == event_id)
