"""What people do with webhooks, through gateway or command line: each is one transaction.

An address is checked before it, so that no transaction waits for a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.audit import trail
from tagsweep.worker.audit.actions import Action
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.webhooks import deliveries, endpoints, requests, rotation
from tagsweep.worker.webhooks.requests import NewWebhook, Rotation, WebhookChange


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something to a tenant's webhooks: what is done is on record with it."""

    tenant: str
    by: Requester

    def note(
        self, connection: Connection, action: Action, target: object, **details: object
    ) -> None:
        """Add to the audit trail what is done to a webhook."""
        told = details or None
        trail.append(
            connection, action, self.by, tenant=self.tenant, target=str(target), details=told
        )


def create(actor: Actor, body: object, webhook_id: UUID | None = None) -> dict[str, Any]:
    """Make a webhook, under ``webhook_id`` once.

    Raises InvalidJob, DoneBefore, TooManyWebhooks, SettingsError.
    """
    wanted = NewWebhook.parse(body)
    requests.check_address(wanted.url)
    with database.transaction() as connection:
        made = endpoints.create(connection, actor.tenant, wanted, webhook_id)
        actor.note(connection, "webhook.create", made["id"], host=urlsplit(wanted.url).hostname)
    return made


def listed(tenant: str | None) -> list[dict[str, Any]]:
    """Return the tenant's webhooks, or those of all, without their secrets."""
    with database.reading() as connection:
        return [endpoints.shown(row) for row in endpoints.listed(connection, tenant)]


def owner(webhook_id: UUID) -> str:
    """Return whose webhook this is; raises NoSuchWebhook."""
    with database.reading() as connection:
        return endpoints.owner(connection, webhook_id)


def show(tenant: str, webhook_id: UUID) -> dict[str, Any]:
    """Return a webhook; raises NoSuchWebhook."""
    with database.reading() as connection:
        return endpoints.shown(endpoints.find(connection, tenant, webhook_id))


def change(actor: Actor, webhook_id: UUID, body: object) -> dict[str, Any]:
    """Change a webhook; raises InvalidJob, NoSuchWebhook."""
    wanted = WebhookChange.parse(body)
    show(actor.tenant, webhook_id)
    if wanted.url:
        requests.check_address(wanted.url)
    with database.transaction() as connection:
        changed = endpoints.change(connection, actor.tenant, webhook_id, wanted)
        given = sorted(wanted.model_fields_set)
        actor.note(connection, "webhook.update", webhook_id, changed=given)
    return changed


def remove(actor: Actor, webhook_id: UUID) -> None:
    """Delete a webhook; raises NoSuchWebhook."""
    with database.transaction() as connection:
        endpoints.remove(connection, actor.tenant, webhook_id)
        actor.note(connection, "webhook.delete", webhook_id)


def rotate(
    actor: Actor, webhook_id: UUID | None, body: object, replaced: str | None = None
) -> dict[str, Any]:
    """Give a webhook a new secret, or the tenant's callbacks if it is None.

    ``replaced``: the version of the secret that it replaces; None: whichever there is. Raises
    InvalidJob, NoSuchWebhook, DoneBefore, SettingsError.
    """
    secret, tenant = Rotation.parse(body).secret, actor.tenant
    with database.transaction() as connection:
        actor.note(connection, "webhook.rotate", webhook_id or "callbacks")
        if webhook_id is None:
            return rotation.rotate_callbacks(connection, tenant, secret, replaced)
        return rotation.rotate(connection, tenant, webhook_id, secret, replaced)


def test(actor: Actor, webhook_id: UUID) -> dict[str, Any]:
    """Have an event sent that tells of no job; return its delivery. Raises NoSuchWebhook."""
    with database.transaction() as connection:
        hook = endpoints.find(connection, actor.tenant, webhook_id)
        actor.note(connection, "webhook.test", webhook_id)
        return deliveries.shown(deliveries.test(connection, hook))


def delivery(tenant: str, webhook_id: UUID, event_id: str) -> dict[str, Any]:
    """Return a delivery; raises NoSuchWebhook, NoSuchDelivery."""
    with database.reading() as connection:
        endpoints.find(connection, tenant, webhook_id)
        return deliveries.shown(deliveries.find(connection, webhook_id, event_id))


def log(  # noqa: PLR0913  # how a list is paged
    tenant: str,
    webhook_id: UUID,
    state: str | None,
    cursor: tuple[datetime, str] | None,
    limit: int,
    *,
    back: bool = False,
    offset: int = 0,
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many deliveries a webhook has, and some; raises NoSuchWebhook."""
    with database.reading() as connection:
        endpoints.find(connection, tenant, webhook_id)
        count = deliveries.total(connection, webhook_id, state)
        rows = deliveries.page(
            connection, webhook_id, state, cursor, limit, back=back, offset=offset
        )
    return count, [deliveries.shown(row) for row in rows]


def redeliver(actor: Actor, webhook_id: UUID, event_id: str) -> dict[str, Any]:
    """Have a delivery sent again, and return it; raises NoSuchWebhook, NoSuchDelivery."""
    with database.transaction() as connection:
        endpoints.find(connection, actor.tenant, webhook_id)
        actor.note(connection, "webhook.redeliver", webhook_id, event=event_id)
        return deliveries.shown(deliveries.again(connection, webhook_id, event_id))


def redeliver_since(actor: Actor, webhook_id: UUID, moment: datetime) -> int:
    """Have all events since ``moment`` sent again; return how many. Raises NoSuchWebhook."""
    with database.transaction() as connection:
        hook = endpoints.find(connection, actor.tenant, webhook_id)
        actor.note(connection, "webhook.redeliver", webhook_id, since=moment.isoformat())
        return deliveries.again_since(connection, hook, moment)
