"""Webhooks as pages show them: each function is one transaction, run in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from tagsweep.worker import database
from tagsweep.worker.webhooks import callbacks, deliveries, endpoints, rotation, signing
from tagsweep.worker.webhooks.deliveries import STATES, WAITING

__all__ = ["STATES"]

Shown = dict[str, Any]
#: the time of a delivery, and its event
Place = tuple[datetime, str]
#: an attempt that comes so soon is waited for by whoever looks at the page
SOON = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Secret:
    """What pages know of a secret, which is not the secret."""

    version: str  #: empty: there is none yet
    old_until: datetime | None  #: until when the one before signs too; None: it does not


@dataclass(frozen=True, slots=True)
class Listed:
    """The webhooks of a tenant, oldest first, and the secret of its callbacks."""

    hooks: list[Shown]
    callbacks: Secret


@dataclass(frozen=True, slots=True)
class Log:
    """A webhook, and some of its deliveries, newest first."""

    hook: Shown
    deliveries: list[Shown]
    has_more: bool
    is_moving: bool  #: whether an attempt is made soon


def listed(tenant: str) -> Listed:
    """Return all webhooks of the tenant, each with its newest delivery."""
    with database.reading() as connection:
        rows = endpoints.listed(connection, tenant)
        newest = deliveries.newest(connection, tenant)
        own = callbacks.find(connection, tenant)
    last = {webhook_id: deliveries.shown(row) for webhook_id, row in newest.items()}
    hooks = [_shown(row) | {"last": last.get(row.id)} for row in rows]
    return Listed(hooks, _secret(own))


def callback_secret(tenant: str) -> Secret:
    """Return the secret of the tenant's callbacks."""
    with database.reading() as connection:
        return _secret(callbacks.find(connection, tenant))


def one(tenant: str, webhook_id: UUID) -> Shown:
    """Return a webhook; raises NoSuchWebhook."""
    with database.reading() as connection:
        return _shown(endpoints.find(connection, tenant, webhook_id))


def delivery(tenant: str, webhook_id: UUID, event_id: str) -> tuple[Shown, Shown]:
    """Return a webhook and a delivery; raises NoSuchWebhook, NoSuchDelivery."""
    with database.reading() as connection:
        hook = _shown(endpoints.find(connection, tenant, webhook_id))
        return hook, deliveries.shown(deliveries.find(connection, webhook_id, event_id))


def log(tenant: str, webhook_id: UUID, state: str | None, after: Place | None, limit: int) -> Log:
    """Return a webhook and its deliveries in ``state`` after a place; raises NoSuchWebhook."""
    with database.reading() as connection:
        hook = _shown(endpoints.find(connection, tenant, webhook_id))
        rows = deliveries.page(connection, webhook_id, state, after, limit + 1)
    soon = datetime.now(UTC) + SOON
    moving = any(row.state == WAITING and row.due_at < soon for row in rows[:limit])
    shown = [deliveries.shown(row) for row in rows[:limit]]
    return Log(hook, shown, len(rows) > limit, moving and hook["enabled"])


def _shown(row: Row[Any]) -> Shown:
    closed = signing.why_closed(row.sealed_secret, row.id)
    return endpoints.shown(row) | {"closed": closed, "secret": _secret(row)}


def _secret(row: Row[*tuple[Any, ...]] | None) -> Secret:
    until = row.previous_until if row is not None else None
    is_over = until is None or until <= datetime.now(UTC)
    return Secret(rotation.version(row), None if is_over else until)
