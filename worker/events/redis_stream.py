"""The Redis stream of completion events."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tagsweep.worker import settings
from tagsweep.worker.broker import error_replies, names
from tagsweep.worker.broker.error_replies import Server
from tagsweep.worker.broker.redis.client import connect
from tagsweep.worker.process.single import single

if TYPE_CHECKING:
    import redis

# Importing it takes a tenth of a second, and most commands never connect to a Redis.


@single
def _client(url: str) -> redis.Redis:
    wait = settings.load().connect_timeout_s
    return connect(url, socket_connect_timeout=wait, socket_timeout=wait)


os.register_at_fork(after_in_child=_client.forget)


def _server(url: str) -> Server:
    variable = "TAGSWEEP_EVENTS_URL" if settings.load().events_url else "TAGSWEEP_BROKER_URL"
    return Server("event stream", variable, url)


def publish(url: str, events: Sequence[str]) -> None:
    """Append ``events``, JSON texts, to the stream of the Redis at ``url``, in their order.

    Raises BrokerUnavailable; some of them may have been appended then.
    """
    import redis

    length = settings.load().events_maxlen
    try:
        with _client(url).pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.xadd(names.stream(), {"data": event}, maxlen=length, approximate=True)
            pipeline.execute()
    except redis.RedisError as error:
        raise error_replies.raised(_server(url), error) from error


def follow(url: str) -> Iterator[str | None]:
    """Yield the events appended from now on; None every second in which there is none.

    Raises BrokerUnavailable: events appended before the next call are not seen.
    """
    import redis

    options = {"socket_connect_timeout": settings.load().connect_timeout_s, "socket_timeout": 5}
    try:
        with connect(url, **options) as client:
            newest: Any = client.xrevrange(names.stream(), count=1)
            last = newest[0][0] if newest else b"0"
            yield None  # from here on no event is missed
            while True:
                read: Any = client.xread({names.stream(): last}, count=500, block=1_000)
                entries = _entries(read)
                if not entries:
                    yield None
                for entry_id, fields in entries:
                    last = entry_id
                    yield fields.get(b"data", b"").decode()
    except redis.RedisError as error:
        raise error_replies.raised(_server(url), error) from error


def check(url: str) -> None:
    """Raise BrokerUnavailable if the Redis at ``url`` takes no events."""
    import redis

    probe = f"{names.stream()}.probe"
    try:
        with _client(url).pipeline() as pipeline:
            pipeline.xadd(probe, {"data": ""})
            pipeline.delete(probe)
            pipeline.execute()  # in one step: no reader sees it
    except redis.RedisError as error:
        raise error_replies.raised(_server(url), error) from error


def _entries(read: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return the entries of the one stream, whichever shape the protocol's version gives them."""
    found = read.values() if isinstance(read, dict) else [entries for _, entries in read or ()]
    flat: list[Any] = [entry for entries in found for entry in entries]
    if flat and isinstance(flat[0], list):  # RESP3 has one list of entries more
        flat = [entry for entries in flat for entry in entries]
    return flat


def keeping(url: str) -> dict[str, str]:
    """Return how the Redis at ``url`` persists its data; raises BrokerUnavailable.

    ``log`` and ``snapshots`` are ``yes`` or ``no``; ``limit`` is its memory limit in bytes, 0 for
    none; ``policy`` is what it does at that limit; ``failed`` names what it last failed to write.
    What our user is not permitted to read is assumed to be in order.
    """
    import redis

    try:
        client = _client(url)
        persistence: Any = _information(client, "persistence")
        memory: Any = _information(client, "memory")
        snapshots = _setting(client, "save")
    except redis.RedisError as error:
        raise error_replies.raised(_server(url), error) from error
    status = {"snapshot": "rdb_last_bgsave_status", "log": "aof_last_write_status"}
    failed = [name for name, field in status.items() if persistence.get(field, "ok") != "ok"]
    return {
        "log": "yes" if persistence.get("aof_enabled", 1) else "no",
        "snapshots": "yes" if snapshots else "no",
        "limit": str(memory.get("maxmemory", 0)),
        "policy": str(memory.get("maxmemory_policy", "")),
        "failed": ", ".join(failed),
    }


def _information(client: redis.Redis, section: str) -> Any:
    """Return a section of INFO; empty if the user may not read it."""
    import redis

    try:
        return client.info(section)
    except redis.exceptions.NoPermissionError:
        return {}


def _setting(client: redis.Redis, name: str) -> str:
    """Return a setting; empty if the server does not tell."""
    import redis

    try:
        found: Any = client.config_get(name)
    except redis.ResponseError:
        return ""
    return str(found.get(name, ""))
