"""The URLs that settings name servers by: which there are, and which a driver could read."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import AfterValidator

REDIS = ("redis", "rediss")
AMQP = ("amqp", "amqps")
MEMORY = "memory"


def scheme(url: str) -> str:
    """Return the part of ``url`` before ``://``, in lower case."""
    return url.partition("://")[0].lower()


def one_of(*schemes: str) -> AfterValidator:
    """Return the check of a setting that takes a URL of one of these schemes."""

    def check(url: str) -> str:
        if "://" not in url or scheme(url).partition("+")[0] not in schemes:
            raise ValueError(f"must start with one of {', '.join(s + '://' for s in schemes)}")
        return readable(url)

    return AfterValidator(check)


def readable(url: str) -> str:
    """Return ``url``; raises ValueError where a driver could not read it."""
    parts = urlsplit(url)  # raises ValueError at a bracket that is not closed
    _ = parts.port  # and here, where it is no number
    kind = parts.scheme.partition("+")[0]
    if "://" not in url:
        raise ValueError("must be a URL")
    if kind in REDIS and not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("ends in the number of a database, as /0")
    return url


def gateway(url: str) -> str:
    """Return ``url``, where the gateway is, without a slash at its end; raises ValueError."""
    parts = urlsplit(url)
    _ = parts.port
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http:// or https:// and a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user, no query and no fragment")
    return url.rstrip("/")
