"""Whoever waits at the end of the way: a reader of the Redis stream of completion events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import redis

from tests.support.wire import STREAM

#: where the others tell that they are done
DONE = "done"
PATIENCE_S = 600


class Events:
    """The stream from its beginning; it may be the peers' too, which write entries of their own."""

    def __init__(self, url: str, stream: str = STREAM) -> None:
        # a reader waits longer than the client's own patience
        self._client = redis.Redis.from_url(url, socket_timeout=None)
        self._stream = stream
        self._last = b"0-0"
        self._client.ping()

    def skip(self) -> None:
        """Leave out what is there already."""
        newest: Any = self._client.xrevrange(self._stream, count=1)
        self._last = newest[0][0] if newest else self._last

    def arrivals(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """Yield each event and when it came, by ``time.perf_counter``; TimeoutError in silence."""
        while True:
            read: Any = self._client.xread({self._stream: self._last}, 1000, PATIENCE_S * 1000)
            now = time.perf_counter()
            if not read:
                raise TimeoutError(f"No event came within {PATIENCE_S} s.")
            for entry_id, fields in _entries(read):
                self._last = entry_id
                yield now, json.loads(fields[b"data"])

    def wait_for(self, job_id: str) -> dict[str, Any]:
        """Return the event of a job once it is there."""
        for _, event in self.arrivals():
            if event["subject"] == job_id:
                return event
        raise AssertionError("events have no end")


def _entries(read: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return the entries of the one stream, in either shape that the protocol has."""
    found = read.values() if isinstance(read, dict) else [entries for _, entries in read]
    flat: list[Any] = [entry for entries in found for entry in entries]
    if flat and isinstance(flat[0], list):
        flat = [entry for entries in flat for entry in entries]
    return flat
