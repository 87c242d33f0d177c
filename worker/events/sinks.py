"""The sinks that completion events are published to, by the scheme of their URL.

A new sink is a module that offers what ``Sink`` asks for, a line here, and its schemes in the
settings (``EVENT_SCHEMES``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from tagsweep.worker.errors import SettingsError
from tagsweep.worker.events import amqp_exchange, redis_stream
from tagsweep.worker.settings import AMQP, REDIS, scheme


class Sink(Protocol):
    """What a module offers that publishes events to one sort of server."""

    def publish(self, url: str, events: Sequence[str]) -> None:
        """Publish ``events``, JSON texts, in their order; return once the server has them.

        Raises BrokerUnavailable; some of them may have been published then.
        """

    def check(self, url: str) -> None:
        """Raise BrokerUnavailable if the server takes no events."""

    def follow(self, url: str) -> Iterator[str | None]:
        """Yield the events published from now on; None every second in which there is none.

        Raises BrokerUnavailable: events published before the next call are not seen.
        """


_SINKS: dict[str, Sink] = {
    **dict.fromkeys(REDIS, redis_stream),
    **dict.fromkeys(AMQP, amqp_exchange),
}


def sink_for(url: str) -> Sink:
    """Return the sink that publishes to ``url``; raises SettingsError if there is none."""
    sink = _SINKS.get(scheme(url))
    if sink is None:
        known = ", ".join(f"{name}://" for name in _SINKS)
        raise SettingsError(f"Events cannot be published to {scheme(url)}://, only to {known}.")
    return sink
