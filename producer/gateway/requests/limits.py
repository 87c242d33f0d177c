"""Limits on what a gateway process takes at once, and on what a tenant may ask of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tagsweep.producer.gateway.errors import Refusal, unavailable

#: tenants whose rates are remembered; one that is forgotten starts again with a full allowance
MAX_TENANTS = 10_000


class Rates:
    """Requests per second of each tenant: ``per_s`` on average, twice as many in a burst."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, tenant: str) -> None:
        """Count a request; raises Refusal (429) if the tenant has used up its allowance."""
        now = time.monotonic()
        left, seen = self._left.pop(tenant, (2.0 * self._per_s, now))
        left = min(2.0 * self._per_s, left + (now - seen) * self._per_s)
        if len(self._left) >= MAX_TENANTS:
            del self._left[next(iter(self._left))]  # the one not seen for longest
        self._left[tenant] = (max(0.0, left - 1) if left >= 1 else left, now)
        if left < 1:
            seconds = math.ceil((1 - left) / self._per_s)
            detail = f"Request was throttled. Expected available in {seconds} second(s)."
            raise Refusal(429, detail, headers={"Retry-After": str(seconds)})


class Places:
    """A limit on how many requests of a sort are served at a time."""

    def __init__(self, limit: int, busy: str) -> None:
        self._limit = limit
        self._busy = busy
        self.taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place during the block; raises Refusal (503) if all are taken."""
        if self.taken >= self._limit:
            raise unavailable(self._busy)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
