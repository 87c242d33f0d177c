"""What the settings choose: store and broker directly, or a gateway; and what is ambiguous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tagsweep.producer.cli.backends.backend import Backend
from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError

if TYPE_CHECKING:
    from tagsweep.producer.cli.backends.http import Client

NO_KEY = (
    "{url} names a gateway, and there is no key for it: set TAGSWEEP_API_KEY, or unset {url} to "
    "use the store directly."
)
OTHER_GATEWAY = (
    "The key is that of {key}, and {url} names another gateway, which must not get it: set "
    "TAGSWEEP_API_KEY too, or unset {url}."
)
AT_THE_STORE = (
    "`tagsweep {command}` works at the store, not through a gateway, and {named} names a gateway: "
    "set TAGSWEEP_DATABASE_URL to its store, or unset {named}."
)


def chosen() -> Backend:
    """Return the backend that the settings choose: with an API key set, the gateway.

    Raises SettingsError if they name a gateway without a key, or a key of another gateway.
    """
    # each is loaded only if it is used: going through a gateway needs no database driver
    if (client := gateway()) is None:
        from tagsweep.producer.cli.backends.store import StoreBackend

        return StoreBackend()
    from tagsweep.producer.cli.backends.gateway import GatewayBackend

    return GatewayBackend(client)


def gateway() -> Client | None:
    """Return the client of the gateway that commands go through; None: they use the store."""
    from tagsweep.producer.cli.backends.http import Client

    config = settings.load()
    if config.api_key is None:
        if names_gateway() and "database_url" not in config.model_fields_set:
            raise SettingsError(NO_KEY.format(url=settings.origin("url")))
        return None
    url, key = settings.origin("url"), settings.origin("api_key")
    if key.startswith("profile") and url not in (key, settings.DEFAULT):
        raise SettingsError(OTHER_GATEWAY.format(url=url, key=key))
    return Client(config.url, config.api_key.get_secret_value())


def names_gateway() -> str | None:
    """Return what names a gateway, a variable or a profile; None if nothing does."""
    config = settings.load()
    named = [name for name in ("api_key", "url") if name in config.model_fields_set]
    return settings.origin(named[0]) if named else None


def at_the_store(command: str) -> None:
    """Raise SettingsError if the settings name a gateway and no store, which ``command`` needs.

    Otherwise it would silently work on an empty file in the current folder.
    """
    named = names_gateway()
    if named and "database_url" not in settings.load().model_fields_set:
        raise SettingsError(AT_THE_STORE.format(command=command, named=named))
