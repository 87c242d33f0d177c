"""The schemes of URLs in settings, and the URL of the gateway."""

from __future__ import annotations

from urllib.parse import urlsplit

SENTINEL, SOCKET = "sentinel", "redis+socket"
#: all schemes of Redis
REDIS = ("redis", "rediss", SENTINEL, SOCKET)
AMQP = ("amqp", "amqps")
MEMORY = "memory"
#: where events can be published (``events.sinks`` has a sink for each)
EVENT_SCHEMES = (*REDIS, *AMQP)


def scheme(url: str) -> str:
    """Return the part of ``url`` before ``://``, in lower case."""
    return url.partition("://")[0].lower()


def gateway(url: str) -> str:
    """Return the gateway's ``url`` without a trailing slash; raises ValueError."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its message may repeat a password
        raise ValueError("has an invalid host or port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http:// or https:// followed by a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user, no query and no fragment")
    return url.rstrip("/")
