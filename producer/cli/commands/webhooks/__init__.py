"""``tagsweep webhooks``: where a tenant's events are sent, and what became of them."""

from __future__ import annotations

from tagsweep.producer.cli.commands.webhooks import deliveries, endpoints  # noqa: F401  # commands
from tagsweep.producer.cli.commands.webhooks.menu import app

__all__ = ["app"]
