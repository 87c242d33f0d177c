"""Webhooks at the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from tagsweep.producer.cli.backends import choosing, kept
from tagsweep.producer.cli.backends.webhooks.backend import NO_DELIVERY, NO_WEBHOOK, Shown
from tagsweep.producer.cli.input import user
from tagsweep.producer.cli.input.errors import WrongUse, shown
from tagsweep.producer.cli.input.job import fault
from tagsweep.worker.database import schema
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import NO_IDENTIFIER, identifies
from tagsweep.worker.webhooks import operations
from tagsweep.worker.webhooks.deliveries import NoSuchDelivery
from tagsweep.worker.webhooks.endpoints import NoSuchWebhook
from tagsweep.worker.webhooks.operations import Actor

NO_TENANT = "Give --tenant: whose webhook it is."


class StoreWebhooks:
    """Webhooks at the store, of whichever tenant."""

    def __init__(self) -> None:
        choosing.at_the_store("webhooks")
        schema.ready()
        kept.use_secret_key()

    def create(self, tenant: str | None, body: Shown) -> Shown:
        """Make a webhook, and return it with its secret."""
        with _worded():
            return operations.create(_actor(_tenant(tenant)), body)

    def listed(self, tenant: str | None) -> list[Shown]:
        """Return the webhooks of a tenant, or of all."""
        return operations.listed(tenant)

    def change(self, webhook_id: UUID, body: Shown) -> Shown:
        """Change what is given of a webhook, and return it."""
        with _worded(webhook_id):
            return operations.change(_owner(webhook_id), webhook_id, body)

    def remove(self, webhook_id: UUID) -> None:
        """Delete a webhook."""
        with _worded(webhook_id):
            operations.remove(_owner(webhook_id), webhook_id)

    def rotate(self, webhook_id: UUID, body: Shown) -> Shown:
        """Give a webhook a new secret, and return it with that."""
        with _worded(webhook_id):
            return operations.rotate(_owner(webhook_id), webhook_id, body)

    def rotate_callbacks(self, tenant: str | None, body: Shown) -> Shown:
        """Give the tenant a new callback secret, and return it."""
        with _worded():
            return operations.rotate(_actor(_tenant(tenant)), None, body)

    def log(self, webhook_id: UUID, state: str | None, limit: int) -> list[Shown]:
        """Return the newest deliveries of a webhook."""
        with _worded(webhook_id):
            owner = operations.owner(webhook_id)
            return operations.log(owner, webhook_id, state, None, limit)[1]

    def redeliver(self, webhook_id: UUID, event_id: str) -> Shown:
        """Have a delivery sent again, and return it."""
        with _worded(webhook_id, event_id):
            return operations.redeliver(_owner(webhook_id), webhook_id, event_id)

    def redeliver_since(self, webhook_id: UUID, moment: datetime) -> int:
        """Have all deliveries since a time sent again; return how many."""
        with _worded(webhook_id):
            return operations.redeliver_since(_owner(webhook_id), webhook_id, moment)

    def test(self, webhook_id: UUID) -> Shown:
        """Have an event sent that tells of no job, and return its delivery."""
        with _worded(webhook_id):
            return operations.test(_owner(webhook_id), webhook_id)


def _actor(tenant: str) -> Actor:
    return Actor(tenant, user.requester())


def _owner(webhook_id: UUID) -> Actor:
    """Return the caller, as who does something to this webhook; raises NoSuchWebhook."""
    return _actor(operations.owner(webhook_id))


def _tenant(tenant: str | None) -> str:
    if tenant is None:
        raise WrongUse(NO_TENANT)
    if not identifies(tenant):
        raise WrongUse(f"--tenant {shown(tenant)}: {NO_IDENTIFIER}")
    return tenant


@contextmanager
def _worded(webhook_id: UUID | None = None, event_id: str | None = None) -> Iterator[None]:
    """Raise errors in the words of the command line."""
    try:
        yield
    except InvalidJob as invalid:
        raise WrongUse(*(fault(one["path"], one["reason"]) for one in invalid.errors)) from None
    except NoSuchWebhook:
        raise NoSuchWebhook(NO_WEBHOOK.format(id=webhook_id)) from None
    except NoSuchDelivery:
        raise NoSuchDelivery(NO_DELIVERY.format(id=webhook_id, event=event_id)) from None
