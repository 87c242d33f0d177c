"""The Redis stream of completion events; the only module that imports redis."""

from __future__ import annotations

import os
from functools import cache

import redis

from worker import settings
from worker.errors import BrokerUnavailable
from worker.models.events import STREAM


@cache
def _client(url: str) -> redis.Redis:
    wait = settings.load().connect_timeout_s
    return redis.Redis.from_url(url, socket_connect_timeout=wait, socket_timeout=wait)


os.register_at_fork(after_in_child=_client.cache_clear)


def publish_event(url: str, event: str) -> None:
    """Append ``event``, a JSON text, to the stream of the Redis at ``url``.

    Raises BrokerUnavailable.
    """
    length = settings.load().events_maxlen
    try:
        _client(url).xadd(STREAM, {"data": event}, maxlen=length, approximate=True)
    except redis.RedisError as error:
        where = settings.masked(url)
        raise BrokerUnavailable(f"Events cannot be published to {where}: {error}") from error
