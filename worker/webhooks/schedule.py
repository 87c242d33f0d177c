"""What is to be sent now, and what an attempt's outcome means for the next one.

A webhook that answers gets several deliveries at a time. While it fails, one goes and the rest
wait: first of those that were tried least, so that one event which it cannot take does not stop the
others. A claim lasts somewhat longer than an attempt may: if the worker dies, another takes over.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, tuple_, update

from tagsweep.worker import settings
from tagsweep.worker.models.tables import ago, clock, webhook
from tagsweep.worker.models.tables import delivery as deliveries
from tagsweep.worker.webhooks import endpoints
from tagsweep.worker.webhooks.callbacks import CALLBACK, CALLBACKS
from tagsweep.worker.webhooks.deliveries import DELIVERED, FAILED, WAITING

#: deliveries to one webhook, of one tenant, and in all that are in flight at a time
PER_WEBHOOK, PER_TENANT, IN_ALL = 4, 32, 256
#: how long a webhook may fail before it is switched off
OFF_AFTER_S = 5 * 86_400
#: attempts that the log keeps of a delivery
MOST_ATTEMPTS = 20
GONE = 410
#: pauses vary by so much, so that not all come back at once
JITTER = 0.1

IS_GONE = "The receiver answered 410: it wants no more."
FAILS = "It had failed for 5 days. Last: {reason}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt of a delivery."""

    at: str
    seconds: float
    status: int | None  #: None: there was no answer
    reason: str | None  #: None: it arrived

    def shown(self) -> dict[str, Any]:
        """Return it as the log has it."""
        return {
            "at": self.at,
            "seconds": round(self.seconds, 3),
            "status": self.status,
            "reason": self.reason,
        }


def due(connection: Connection, apart: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Return the webhooks to which something is to be sent now, but for those in ``apart``.

    With the secret to sign with: of a callback's URL, that of its tenant's callbacks.
    """
    waits = select(deliveries.c.event_id).where(
        deliveries.c.webhook_id == webhook.c.id,
        deliveries.c.state == WAITING,
        deliveries.c.due_at <= clock(),
    )
    holder = webhook.alias("holder")
    is_callback = webhook.c.origin == CALLBACK
    holds = or_(
        ~is_callback & (holder.c.id == webhook.c.id),
        is_callback & (holder.c.tenant == webhook.c.tenant) & (holder.c.origin == CALLBACKS),
    )
    valid = func.coalesce(holder.c.previous_until > clock(), False)  # SQL's
    query = select(
        webhook.c.id,
        webhook.c.tenant,
        webhook.c.url,
        webhook.c.failures,
        holder.c.id.label("holder"),
        holder.c.sealed_secret,
        holder.c.sealed_previous,
        valid.label("overlaps"),
    ).join_from(webhook, holder, holds)
    query = query.where(webhook.c.off_at.is_(None), _may_try(), waits.exists())
    if apart:
        query = query.where(webhook.c.id.not_in(apart))
    return connection.execute(query.order_by(webhook.c.failures).limit(IN_ALL)).all()


def claim(connection: Connection, webhook_id: UUID, room: int) -> Sequence[Row[Any]]:
    """Return deliveries to send to a webhook now, at most ``room``; nobody else sends them then."""
    until = ago(-settings.load().webhooks_claim_s)
    this = (webhook.c.id == webhook_id) & webhook.c.off_at.is_(None) & _may_try()
    hook = connection.execute(
        select(webhook.c.failures).where(this).with_for_update(skip_locked=True)
    ).one_or_none()
    if hook is None:
        return []
    order: tuple[ColumnElement[Any], ...] = (deliveries.c.due_at,)
    if hook.failures:
        room, order = 1, (deliveries.c.tries, *order)
        connection.execute(update(webhook).where(this).values(probe_at=until))
    ready = (deliveries.c.webhook_id == webhook_id) & (deliveries.c.state == WAITING)
    ready &= deliveries.c.due_at <= clock()
    query = select(deliveries).where(ready).order_by(*order).limit(room)
    rows = connection.execute(query.with_for_update(skip_locked=True)).all()
    if not rows:
        return []
    these = _these((row.webhook_id, row.event_id) for row in rows)
    claimed = update(deliveries).where(these).values(due_at=until).returning(deliveries)
    return connection.execute(claimed).all()


def note(connection: Connection, row: Row[Any], attempt: Attempt) -> str | None:
    """Record an attempt; return why the webhook is switched off now, if it is.

    A delivery that somebody has had sent again meanwhile stays due.
    """
    log = [*row.attempts, attempt.shown()][-MOST_ATTEMPTS:]
    if attempt.reason is None:
        arrived = {"state": DELIVERED, "delivered_at": clock(), "attempts": log}
        _set(connection, row, arrived | {"tries": row.tries + 1})
        _is_well(connection, row.webhook_id)
        return None
    return _failed(connection, row, attempt, log)


def _failed(connection: Connection, row: Row[Any], attempt: Attempt, log: list[Any]) -> str | None:
    pauses = settings.load().webhooks_pauses
    given_up = row.tries >= len(pauses) or attempt.status == GONE
    pause = 0.0 if given_up else _varied(pauses[row.tries])
    values: Mapping[str, Any] = {
        "state": FAILED if given_up else WAITING,
        "due_at": ago(-pause),
        "tries": row.tries + 1,
        "attempts": log,
    }
    _set(connection, row, values)
    this = webhook.c.id == row.webhook_id
    since = func.coalesce(webhook.c.failing_since, clock())
    failing = (
        update(webhook).where(this).values(failures=webhook.c.failures + 1, failing_since=since)
    )
    told = failing.returning(
        webhook.c.failures, (webhook.c.failing_since < ago(OFF_AFTER_S)).label("long")
    )
    hook = connection.execute(told).one_or_none()
    if hook is None:  # deleted meanwhile
        return None
    reason = IS_GONE if attempt.status == GONE else None
    if reason is None and hook.long:
        reason = FAILS.format(reason=attempt.reason)
    # new events are tried too, but never more often than this
    probe = _varied(pauses[min(hook.failures, 2, len(pauses)) - 1])
    values = {"off_at": clock(), "off_reason": reason} if reason else {"probe_at": ago(-probe)}
    connection.execute(update(webhook).where(this).values(values))
    return reason


def _is_well(connection: Connection, webhook_id: UUID) -> None:
    """Note that a webhook answers well; what it did not get while it failed for long is due now."""
    this = (webhook.c.id == webhook_id) & (webhook.c.failures > 0)
    failures = connection.execute(select(webhook.c.failures).where(this)).scalar()
    if failures is None:
        return
    well = {"failures": 0, "failing_since": None, "probe_at": None}
    connection.execute(update(webhook).where(this).values(well))
    if failures > 1:  # after a single failure the event may be to blame
        endpoints.hasten(connection, webhook_id)


def _may_try() -> ColumnElement[bool]:
    return or_(webhook.c.probe_at.is_(None), webhook.c.probe_at <= clock())


def _varied(seconds: float) -> float:
    return seconds * random.uniform(1, 1 + JITTER)  # noqa: S311  # so that not all come back at once


def _these(keys: Any) -> ColumnElement[bool]:
    return tuple_(deliveries.c.webhook_id, deliveries.c.event_id).in_(list(keys))


def _set(connection: Connection, row: Row[Any], values: Mapping[str, Any]) -> None:
    this = _these([(row.webhook_id, row.event_id)]) & (deliveries.c.due_at == row.due_at)
    connection.execute(update(deliveries).where(this).values(values))
