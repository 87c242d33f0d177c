"""A client of the Redis that a URL names: a server, a socket, or a master behind sentinels."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tagsweep.worker import settings
from tagsweep.worker.settings import Settings, server_url
from tagsweep.worker.settings.urls import SENTINEL, SOCKET, scheme

if TYPE_CHECKING:
    import redis

# Importing redis takes a tenth of a second, and most commands never use it.


def connect(url: str, **options: Any) -> redis.Redis:
    """Return a client; ``options`` are those of its connections. Nothing is connected yet."""
    import redis

    if scheme(url) == SENTINEL:
        return _master(url, options)
    if scheme(url) == SOCKET:
        url = url.replace(f"{SOCKET}://", "unix://", 1).replace("?virtual_host=", "?db=")
    return redis.Redis.from_url(url, **options)


def tls(url: str) -> dict[str, Any]:
    """Return redis-py's TLS options of a URL of sentinels; empty without TLS."""
    return server_url.servers(url)[0].tls if scheme(url) == SENTINEL else {}


def of_sentinels(url: str, config: Settings) -> dict[str, Any]:
    """Return the options for connecting to the sentinels of a URL: password, TLS, and one try."""
    tls_options = tls(url)
    options = {"ssl": True, **tls_options} if tls_options else {}
    return {**config.sentinel_login, **options, "retry": _once()}


@cache
def _once() -> Any:
    """Return the policy of one try: there are other sentinels, and the next one may know better.

    By default each is tried eleven times, for seconds, one that refuses a password too. It is one
    object, because kombu takes connections with equal options alone for the same.
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Retry(NoBackoff(), 0)


def sentinels(url: str, **options: Any) -> dict[str, redis.Redis]:
    """Return a client of each sentinel of a URL, by its host and port; nothing is connected yet."""
    import redis

    merged = {**of_sentinels(url, settings.load()), **options}
    servers = server_url.servers(url)
    return {server.place: redis.Redis(*_address(server), **merged) for server in servers}


def _master(url: str, options: dict[str, Any]) -> redis.Redis:
    import redis

    kind: Any = redis.Sentinel  # it has no types
    sentinels = server_url.servers(url)
    config = settings.load()
    tls_options = sentinels[0].tls
    sentinel_client = kind(
        [_address(sentinel) for sentinel in sentinels],
        sentinel_kwargs={**of_sentinels(url, config), **options},
        db=sentinels[0].database,
        username=sentinels[0].user or None,
        password=sentinels[0].password or None,
        **({"ssl": True, **tls_options} if tls_options else {}),
        **options,
    )
    master: redis.Redis = sentinel_client.master_for(str(config.sentinel_master))
    return master


def _address(sentinel: server_url.Server) -> tuple[str, int]:
    return sentinel.host, sentinel.port or server_url.SENTINEL_PORT
