"""Which backend the settings choose: store and broker directly, or a gateway."""

from __future__ import annotations

from tagsweep.producer.cli.backends.backend import Backend
from tagsweep.worker import settings


def chosen() -> Backend:
    """Return the backend that the settings choose: with an API key set, the gateway."""
    config = settings.load()
    # each is loaded only if it is used: going through a gateway needs no database driver
    if config.api_key is None:
        from tagsweep.producer.cli.backends.store import StoreBackend

        return StoreBackend()
    from tagsweep.producer.cli.backends.gateway import GatewayBackend
    from tagsweep.producer.cli.backends.http import Client

    return GatewayBackend(Client(config.url, config.api_key.get_secret_value()))
