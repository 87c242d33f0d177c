"""What can be done with webhooks, at the store or through a gateway."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

Shown = dict[str, Any]

NO_WEBHOOK = "There is no webhook {id}: `tagsweep webhooks list` shows those there are."
NO_DELIVERY = (
    "There is no delivery of {event} to webhook {id}: `tagsweep webhooks deliveries {id}` shows "
    "those there are."
)


class Webhooks(Protocol):
    """Webhooks; each raises WrongUse for what is not usable, NoSuchWebhook, NoSuchDelivery."""

    def create(self, tenant: str | None, body: Shown) -> Shown:
        """Make a webhook, and return it with its secret."""

    def listed(self, tenant: str | None) -> list[Shown]:
        """Return the webhooks of a tenant, or all that there are."""

    def change(self, webhook_id: UUID, body: Shown) -> Shown:
        """Change what is given of a webhook, and return it."""

    def remove(self, webhook_id: UUID) -> None:
        """Delete a webhook."""

    def rotate(self, webhook_id: UUID, body: Shown) -> Shown:
        """Give a webhook a new secret, and return it with that."""

    def rotate_callbacks(self, tenant: str | None, body: Shown) -> Shown:
        """Give the tenant a new callback secret, and return it."""

    def log(self, webhook_id: UUID, state: str | None, limit: int) -> list[Shown]:
        """Return the newest deliveries of a webhook."""

    def redeliver(self, webhook_id: UUID, event_id: str) -> Shown:
        """Have a delivery sent again, and return it."""

    def redeliver_since(self, webhook_id: UUID, moment: datetime) -> int:
        """Have all deliveries since a time sent again; return how many."""

    def test(self, webhook_id: UUID) -> Shown:
        """Have an event sent that tells of no job, and return its delivery."""
