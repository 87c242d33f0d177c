"""Which addresses webhooks may reach: none that lead into the operator's own network.

A name is resolved once, every address that it has is checked, and whoever connects uses these. A
name that is resolved again could have changed meanwhile.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from tagsweep.worker import settings
from tagsweep.worker.models.options import callback
from tagsweep.worker.settings.webhooks import Address, Network

#: how long a name may take to be resolved when a webhook is made
LOOKUP_S = 3.0

_IPV4_IN_IPV6 = ipaddress.ip_network("64:ff9b::/96")  # NAT64
_GLOBAL = ipaddress.ip_network("2000::/3")
_NOT_GLOBAL: tuple[Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
            *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # Azure's own services, the metadata among them
            *("2001::/23", "2001:db8::/32", "3fff::/20"),
        ),
    )
)

NO_NAME = "{host} cannot be resolved: {why}."
SLOW_NAME = "{host} was not resolved within {seconds:g} s."
PRIVATE = (
    "{host} leads to {address}, which is no public address: whoever operates tagsweep can allow it "
    "(TAGSWEEP_WEBHOOKS_PRIVATE)."
)
PLAIN = "Must begin with https://."


class AddressRefused(Exception):
    """Nothing is sent there; the message says why."""


class NoSuchHost(AddressRefused):
    """The name cannot be resolved."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: which of the addresses is connected to does not matter."""

    host: str  #: the name in the request and in the certificate
    port: int
    is_encrypted: bool
    netloc: str  #: as the header ``Host`` has it
    path: str
    addresses: tuple[str, ...]


def resolved(url: str) -> Target:
    """Return where ``url`` leads, each address checked; it takes as long as the name does.

    Raises AddressRefused.
    """
    return _resolved(url)


def _resolved(url: str, flags: int = 0) -> Target:
    try:
        parts = callback.parsed(url)
    except ValueError as error:
        raise AddressRefused(str(error)) from None
    is_encrypted, host = parts.scheme == "https", (parts.hostname or "").rstrip(".")
    port = parts.port or (443 if is_encrypted else 80)
    found = _lookup(host, port, flags)
    _check(host, found, is_encrypted=is_encrypted)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    addresses = tuple(str(address) for address in found)
    return Target(host, port, is_encrypted, parts.netloc, path, addresses)


def check(url: str) -> None:
    """Raise AddressRefused if nothing may be sent to ``url``, or its name is not resolved soon."""
    try:
        _looking_up(url).result(LOOKUP_S)
    except TimeoutError:
        raise _slow(url) from None


async def check_async(url: str) -> None:
    """Do the same without blocking the event loop."""
    try:
        async with asyncio.timeout(LOOKUP_S):
            await asyncio.wrap_future(_looking_up(url))
    except TimeoutError:
        raise _slow(url) from None


def check_as_written(url: str) -> None:
    """Raise AddressRefused if nothing may be sent to ``url`` whatever its name leads to.

    It resolves no name: that it refuses nothing does not yet say that something may be sent there.
    """
    try:
        _resolved(url, socket.AI_NUMERICHOST)
    except NoSuchHost:
        return


def _looking_up(url: str) -> Future[None]:
    """Resolve and check ``url`` in a thread of its own, which does not keep the process alive."""
    outcome: Future[None] = Future()
    outcome.set_running_or_notify_cancel()  # whoever gives up waiting does not cancel it

    def look() -> None:
        try:
            resolved(url)
        except BaseException as error:  # noqa: BLE001  # it is told to whoever waits
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=look, name="tagsweep-lookup", daemon=True).start()
    return outcome


def _slow(url: str) -> AddressRefused:
    host = callback.parsed(url).hostname
    return AddressRefused(SLOW_NAME.format(host=host, seconds=LOOKUP_S))


def is_public(address: Address) -> bool:
    """Tell whether the address, or the one within it, is one that anybody can reach."""
    inner = _inner(address)
    if isinstance(inner, IPv6Address) and inner not in _GLOBAL:
        return False
    return not any(inner in network for network in _NOT_GLOBAL)


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, or else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _IPV4_IN_IPV6:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def _lookup(host: str, port: int, flags: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no name of a host"
        raise NoSuchHost(NO_NAME.format(host=host, why=why)) from None
    return [ipaddress.ip_address(text) for text in dict.fromkeys(str(one[4][0]) for one in found)]


def _check(host: str, found: list[Address], *, is_encrypted: bool) -> None:
    allowed = settings.load().webhooks_may_reach
    if host in allowed.hosts:
        return
    for address in found:
        is_allowed = allowed.has(_inner(address))
        if not is_encrypted and not is_allowed:
            raise AddressRefused(PLAIN)
        if not is_allowed and not is_public(address):
            raise AddressRefused(PRIVATE.format(host=host, address=address))
