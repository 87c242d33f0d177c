"""The events of the feed, as its readers find them: in the order of their positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from tagsweep.worker.events import feed
from tagsweep.worker.models.tables import outbox


def since(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that an event was written at ``moment`` or later."""
    return outbox.c.created_at >= moment


def position_at(connection: Connection, moment: datetime) -> int:
    """Return the position before the first event ``since`` that moment.

    Earlier ones may be among those that follow: an event may come into the feed after one that was
    written later.
    """
    first = select(func.min(outbox.c.position)).where(since(moment))
    position: int | None = connection.execute(first).scalar()
    return feed.bounds(connection).last if position is None else position - 1


def after(
    connection: Connection, position: int, limit: int, *these: ColumnElement[bool]
) -> Sequence[Row[Any, Any]]:
    """Return position and text of the events after ``position``, or of some of them."""
    query = select(outbox.c.position, outbox.c.event).where(outbox.c.position > position, *these)
    return connection.execute(query.order_by(outbox.c.position).limit(limit)).all()


def moved(connection: Connection, position: int, limit: int) -> Sequence[Row[Any, Any, Any]]:
    """Return position, job and tenant of the events after ``position``, without the events."""
    query = select(outbox.c.position, outbox.c.job_id, outbox.c.tenant)
    query = query.where(outbox.c.position > position)
    return connection.execute(query.order_by(outbox.c.position).limit(limit)).all()


def of_tenant(
    connection: Connection, tenant: str, position: int, limit: int, *these: ColumnElement[bool]
) -> Sequence[Row[Any, Any, Any]]:
    """Return the tenant's events after ``position``, or some of them."""
    query = select(outbox.c.position, outbox.c.job_id, outbox.c.event)
    query = query.where(outbox.c.tenant == tenant, outbox.c.position > position, *these)
    return connection.execute(query.order_by(outbox.c.position).limit(limit)).all()
