"""A client of the Redis that a URL names: a server, a socket, or the master that sentinels know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker import server_url, settings
from worker.urls import SENTINEL, SOCKET, scheme

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


def _master(url: str, options: dict[str, Any]) -> redis.Redis:
    import redis

    sentinel: Any = redis.Sentinel  # it has no types
    found = server_url.servers(url)
    config = settings.load()
    sentinels = sentinel(
        [(one.host, one.port or server_url.SENTINEL_PORT) for one in found],
        sentinel_kwargs={**config.sentinel_login, **options},
        db=found[0].database,
        username=found[0].user or None,
        password=found[0].password or None,
        **options,
    )
    master: redis.Redis = sentinels.master_for(str(config.sentinel_master))
    return master
