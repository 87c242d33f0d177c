"""A client of the Redis that a URL names: a server, a socket, or the master that sentinels know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tagsweep.worker import settings
from tagsweep.worker.settings import Settings, server_url
from tagsweep.worker.settings.urls import SENTINEL, SOCKET, scheme

if TYPE_CHECKING:
    import redis

# It takes a tenth of a second to import, and most commands never speak to a Redis.


def connect(url: str, **options: Any) -> redis.Redis:
    """Return a client; ``options`` are those of its connections. Nothing is connected yet."""
    import redis

    if scheme(url) == SENTINEL:
        return _master(url, options)
    if scheme(url) == SOCKET:
        url = url.replace(f"{SOCKET}://", "unix://", 1).replace("?virtual_host=", "?db=")
    return redis.Redis.from_url(url, **options)


def tls(url: str) -> dict[str, Any]:
    """Return how TLS is spoken behind sentinels, as redis-py takes it; empty: it is not."""
    return server_url.servers(url)[0].tls if scheme(url) == SENTINEL else {}


def of_sentinels(url: str, config: Settings) -> dict[str, Any]:
    """Return how the sentinels of a URL are connected to: what they ask for, and TLS."""
    spoken = tls(url)
    return {**config.sentinel_login, **({"ssl": True, **spoken} if spoken else {})}


def sentinels(url: str, **options: Any) -> dict[str, redis.Redis]:
    """Return a client of each sentinel of a URL, by its host and port; nothing is connected yet."""
    import redis

    asked = {**of_sentinels(url, settings.load()), **options}
    return {one.place: redis.Redis(*_of(one), **asked) for one in server_url.servers(url)}


def _master(url: str, options: dict[str, Any]) -> redis.Redis:
    import redis

    kind: Any = redis.Sentinel  # it has no types
    found = server_url.servers(url)
    config = settings.load()
    spoken = found[0].tls
    known = kind(
        [_of(one) for one in found],
        sentinel_kwargs={**of_sentinels(url, config), **options},
        db=found[0].database,
        username=found[0].user or None,
        password=found[0].password or None,
        **({"ssl": True, **spoken} if spoken else {}),
        **options,
    )
    master: redis.Redis = known.master_for(str(config.sentinel_master))
    return master


def _of(sentinel: server_url.Server) -> tuple[str, int]:
    return sentinel.host, sentinel.port or server_url.SENTINEL_PORT
