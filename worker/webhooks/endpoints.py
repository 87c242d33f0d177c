"""Webhooks as they are kept: made, listed, changed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from tagsweep.worker import settings
from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.errors import Rejected
from tagsweep.worker.events import feed
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.tables import ago, clock, webhook
from tagsweep.worker.models.tables import delivery as deliveries
from tagsweep.worker.webhooks import signing
from tagsweep.worker.webhooks.callbacks import WEBHOOK
from tagsweep.worker.webhooks.requests import DoneBefore, NewWebhook, WebhookChange

#: webhooks that a tenant may have
MOST = 100

TOO_MANY = f"A tenant has at most {MOST} webhooks: delete one first."
BY_HAND = "It was switched off by hand."


class NoSuchWebhook(Rejected):
    """There is no such webhook."""


class TooManyWebhooks(Rejected):
    """The tenant has as many webhooks as it may have."""


def create(
    connection: Connection, tenant: str, wanted: NewWebhook, webhook_id: UUID | None = None
) -> dict[str, Any]:
    """Make a webhook, which gets what ends from now on; return it with its secret.

    Its address must have been checked. ``webhook_id``: under which it is made once. Raises
    DoneBefore, TooManyWebhooks, SettingsError.
    """
    own = (webhook.c.tenant == tenant) & (webhook.c.origin == WEBHOOK)
    if connection.execute(select(func.count()).where(own)).scalar_one() >= MOST:
        raise TooManyWebhooks(TOO_MANY)
    webhook_id = webhook_id or uuid4()
    secret = signing.given_or_new(wanted.secret)
    row = wanted.given() | {"id": webhook_id, "tenant": tenant, "origin": WEBHOOK}
    row |= {"sealed_secret": signing.seal(secret, webhook_id), "position": now(connection)}
    once = insert_missing(connection, webhook).returning(webhook.c.id)
    if connection.execute(once, row).one_or_none() is None:
        raise DoneBefore
    return shown(find(connection, tenant, webhook_id)) | {"secret": secret}


def find(connection: Connection, tenant: str, webhook_id: UUID) -> Row[Any]:
    """Return the tenant's webhook; raises NoSuchWebhook."""
    row = connection.execute(_select().where(_this(tenant, webhook_id))).one_or_none()
    if row is None:
        raise NoSuchWebhook
    return row


def owner(connection: Connection, webhook_id: UUID) -> str:
    """Return whose webhook this is; raises NoSuchWebhook."""
    this = (webhook.c.id == webhook_id) & (webhook.c.origin == WEBHOOK)
    tenant: str | None = connection.execute(select(webhook.c.tenant).where(this)).scalar()
    if tenant is None:
        raise NoSuchWebhook
    return tenant


def listed(connection: Connection, tenant: str | None) -> Sequence[Row[Any]]:
    """Return the tenant's webhooks, or those of all, oldest first."""
    query = _select().where(webhook.c.origin == WEBHOOK)
    if tenant is not None:
        query = query.where(webhook.c.tenant == tenant)
    return list(connection.execute(query.order_by(webhook.c.created_at, webhook.c.id)))


def change(
    connection: Connection, tenant: str, webhook_id: UUID, wanted: WebhookChange
) -> dict[str, Any]:
    """Change what is given of a webhook, and return it.

    Switched on again it gets what ends from then on, and what was waiting. Raises NoSuchWebhook.
    """
    values = wanted.given()
    enabled = values.pop("enabled", None)
    if enabled is False:
        values |= {"off_at": func.coalesce(webhook.c.off_at, clock()), "off_reason": BY_HAND}
    row = find(connection, tenant, webhook_id)
    if enabled and row.off_at is not None:
        values |= _WELL | {"position": now(connection)}
        hasten(connection, webhook_id)
    elif "url" in values:
        values |= {"failures": 0, "failing_since": None, "probe_at": None}
    if values:
        connection.execute(update(webhook).where(webhook.c.id == row.id).values(values))
    return shown(find(connection, tenant, webhook_id))


def remove(connection: Connection, tenant: str, webhook_id: UUID) -> None:
    """Delete a webhook with its deliveries; raises NoSuchWebhook."""
    find(connection, tenant, webhook_id)
    connection.execute(delete(webhook).where(_this(tenant, webhook_id)))


def hasten(connection: Connection, webhook_id: UUID) -> None:
    """Make all that waits for a webhook due now, but for what is being sent.

    What is due no later than a claim would end is left alone: it may be a claim.
    """
    waiting = (deliveries.c.webhook_id == webhook_id) & (deliveries.c.state == "waiting")
    waiting &= deliveries.c.due_at > ago(-settings.load().webhooks_claim_s)
    connection.execute(update(deliveries).where(waiting).values(due_at=clock()))


def shown(row: Row[Any]) -> dict[str, Any]:
    """Return a webhook as JSON, without its secret."""
    return {
        "id": str(row.id),
        "tenant": row.tenant,
        "url": row.url,
        "kinds": row.kinds,
        "statuses": row.statuses,
        "enabled": row.off_at is None,
        "off_reason": row.off_reason,
        "failing_since": row.failing_since and stamp(row.failing_since),
        "waiting": row.waiting,
        "created_at": stamp(row.created_at),
    }


_WELL: dict[str, Any] = {
    "off_at": None,
    "off_reason": None,
    "failures": 0,
    "failing_since": None,
    "probe_at": None,
}


def _select() -> Any:
    waiting = select(func.count()).where(
        deliveries.c.webhook_id == webhook.c.id, deliveries.c.state == "waiting"
    )
    return select(webhook, waiting.scalar_subquery().label("waiting"))


def _this(tenant: str, webhook_id: UUID) -> ColumnElement[bool]:
    own = (webhook.c.tenant == tenant) & (webhook.c.origin == WEBHOOK)
    return own & (webhook.c.id == webhook_id)


def now(connection: Connection) -> int:
    """Return the position in the feed after which what ends from now on is."""
    return feed.bounds(connection).last


def sealed(connection: Connection) -> Sequence[Row[Any, Any, Any]]:
    """Return id and encrypted secrets of everything that has one."""
    query = select(webhook.c.id, webhook.c.sealed_secret, webhook.c.sealed_previous)
    return connection.execute(query.where(webhook.c.sealed_secret.is_not(None))).all()
