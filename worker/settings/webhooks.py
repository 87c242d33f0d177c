"""The settings of webhooks: which private addresses they may reach, how long, and how often."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: the pauses of the Standard Webhooks specification; then daily, until five days are over
SCHEDULE = "5,300,1800,7200,18000,36000,50400,72000,86400,86400,86400"
MOST_PAUSES = 100
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


@dataclass(frozen=True, slots=True)
class Private:
    """What webhooks may reach although it is private, or without TLS."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    def has(self, address: Address) -> bool:
        """Tell whether the address is in one of the networks."""
        return any(address in network for network in self.networks)


@cache
def private(text: str | None) -> Private:
    """Return the networks and hosts in ``text``, separated by commas; raises ValueError."""
    networks: list[Network] = []
    hosts: set[str] = set()
    for each in filter(None, (part.strip().lower() for part in (text or "").split(","))):
        try:
            networks.append(ipaddress.ip_network(each))
        except ValueError:
            if "/" in each or ":" in each or not _HOST.fullmatch(each):
                raise ValueError(
                    f"must be networks (10.0.0.0/8) and hosts (hooks.internal), separated by "
                    f"commas; {each[:100]!r} is neither"
                ) from None
            hosts.add(each.removesuffix("."))
    return Private(tuple(networks), frozenset(hosts))


@cache
def pauses(text: str) -> tuple[float, ...]:
    """Return the seconds in ``text``, separated by commas; raises ValueError."""
    try:
        found = tuple(float(each) for each in text.split(","))
    except ValueError:
        found = ()
    if not 1 <= len(found) <= MOST_PAUSES or not all(0 < each <= 1e6 for each in found):  # noqa: PLR2004  # eleven days
        raise ValueError(
            f"must be 1 to {MOST_PAUSES} numbers of seconds, each above 0, separated by commas"
        )
    return found


def _private(text: str) -> str:
    private(text)
    return text


def _pauses(text: str) -> str:
    pauses(text)
    return text


class WebhookSettings(BaseSettings):
    """The settings of webhooks."""

    #: networks and hosts that webhooks may reach although they are private, or without TLS
    webhooks_private: Annotated[str, AfterValidator(_private)] | None = None
    #: the pauses between the attempts of a delivery
    webhooks_schedule_s: Annotated[str, AfterValidator(_pauses)] = SCHEDULE
    #: how long a receiver may take to answer
    webhooks_timeout_s: int = Field(15, ge=1, le=60)

    @property
    def webhooks_may_reach(self) -> Private:
        """What webhooks may reach although it is private, or without TLS."""
        return private(self.webhooks_private)

    @property
    def webhooks_claim_s(self) -> float:
        """For how many seconds a delivery that is being sent is nobody else's."""
        return self.webhooks_timeout_s * 1.5 + 2

    @property
    def webhooks_pauses(self) -> tuple[float, ...]:
        """The seconds between the attempts of a delivery; after the last one it is given up."""
        return pauses(self.webhooks_schedule_s)
