"""The store's feed as the gateway reads it: each function is one transaction, run in a thread."""

from __future__ import annotations

from typing import Any

from tagsweep.worker import database
from tagsweep.worker.events import feed, reading
from tagsweep.worker.events.feed import Bounds
from tagsweep.worker.jobs import queries
from tagsweep.worker.models import views

__all__ = ["Bounds", "after", "bounds", "of_tenant", "running"]


def bounds() -> Bounds:
    """Return which positions the feed has."""
    with database.reading() as connection:
        return feed.bounds(connection)


def after(position: int, limit: int) -> list[Any]:
    """Return up to ``limit`` events after ``position``: position, tenant and job of each."""
    with database.reading() as connection:
        return list(reading.moved(connection, position, limit))


def of_tenant(tenant: str, position: int, limit: int) -> list[Any]:
    """Return up to ``limit`` events of the tenant after ``position``."""
    with database.reading() as connection:
        return list(reading.of_tenant(connection, tenant, position, limit))


def running(tenants: set[str] | None) -> list[dict[str, Any]]:
    """Return running jobs of these tenants, or of all (None), as JSON."""
    with database.reading() as connection:
        return [views.of(job, None) for job in queries.running(connection, tenants)]
