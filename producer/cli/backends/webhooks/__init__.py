"""Where webhooks are kept: the store, or what a gateway shows of it."""

from __future__ import annotations

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.backends.webhooks.backend import Webhooks

__all__ = ["Webhooks", "chosen"]


def chosen() -> Webhooks:
    """Return where the settings choose to keep webhooks: with an API key set, the gateway."""
    # each is loaded only if it is used: going through a gateway needs no database driver
    if (client := choosing.gateway()) is not None:
        from tagsweep.producer.cli.backends.webhooks.gateway import GatewayWebhooks

        return GatewayWebhooks(client)
    from tagsweep.producer.cli.backends.webhooks.store import StoreWebhooks

    return StoreWebhooks()
