"""How webhooks are doing, as ``doctor`` tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from tagsweep.worker.models.tables import ago, webhook
from tagsweep.worker.models.tables import delivery as deliveries
from tagsweep.worker.webhooks.callbacks import WEBHOOK
from tagsweep.worker.webhooks.deliveries import WAITING


def untried(connection: Connection, seconds: float) -> int:
    """Return how many deliveries nobody has tried for so long, of webhooks that do not fail."""
    query = select(func.count()).join_from(deliveries, webhook)
    query = query.where(deliveries.c.state == WAITING, deliveries.c.tries == 0)
    query = query.where(deliveries.c.due_at < ago(seconds))
    well = webhook.c.off_at.is_(None) & (webhook.c.failures == 0)
    return int(connection.execute(query.where(well)).scalar_one())


def unwell(connection: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return the webhooks that are switched off, by whomever, or have failed twice or more."""
    bad = or_(webhook.c.off_at.is_not(None), webhook.c.failures > 1)
    query = select(webhook).where(webhook.c.origin == WEBHOOK, bad)
    return connection.execute(query.order_by(webhook.c.created_at).limit(limit)).all()
