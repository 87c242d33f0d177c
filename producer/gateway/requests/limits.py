"""Limits on what a gateway process takes at once, and on what a tenant may ask of it."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tagsweep.producer.gateway.errors import Refusal, unavailable

#: tenants whose rates are remembered; one that is forgotten starts again with a full allowance
MAX_TENANTS = 10_000
#: failed attempts to sign in that an address has within WITHIN_S, and how many addresses are known
MAX_FAILURES, WITHIN_S, MAX_ADDRESSES = 10, 60.0, 10_000


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


@dataclass(slots=True)
class Attempt:
    """An attempt to sign in."""

    succeeded: bool = False


class SignIns:
    """A limit on failed attempts to sign in, by the client's address."""

    def __init__(self) -> None:
        self._failed: dict[str, deque[float]] = {}

    @contextmanager
    def attempt(self, address: str) -> Iterator[Attempt]:
        """Let the block try to sign in; raises Refusal (429) if too many attempts have failed."""
        now, client = time.monotonic(), _network(address)
        failed = self._failed.setdefault(client, deque(maxlen=MAX_FAILURES))
        while failed and failed[0] <= now - WITHIN_S:
            failed.popleft()
        if len(failed) == MAX_FAILURES:
            seconds = math.ceil(failed[0] + WITHIN_S - now)
            detail = f"Too many attempts to sign in have failed. Try again in {seconds} seconds."
            raise Refusal(429, detail, headers={"Retry-After": str(seconds)})
        failed.append(now)  # before its outcome is known: many at once are as many
        made = Attempt()
        try:
            yield made
        finally:
            if made.succeeded and failed:
                failed.pop()
            if not failed:
                self._failed.pop(client, None)
            if len(self._failed) > MAX_ADDRESSES:
                del self._failed[next(iter(self._failed))]


def _network(address: str) -> str:
    """Return the address; of IPv6 the network, all of which one client may have."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))  # noqa: PLR2004  # IPv4
