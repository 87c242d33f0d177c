"""What the address of a webhook's page asks for: which deliveries, and from where on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tagsweep.producer.gateway.console.presentation import filters
from tagsweep.producer.gateway.routes.webhooks import deliveries
from tagsweep.worker.webhooks.deliveries import STATES

NAMES = ("state", "after", "again")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a log is looked at."""

    state: str | None
    after: str | None  #: as the address has it
    place: tuple[datetime, str] | None
    again: int | None  #: how many events have just been sent again

    def query(self, last: Mapping[str, Any] | None = None) -> str:
        """Return the query of this page; ``last``: of the page after this delivery."""
        after = self.after if last is None else deliveries.place_of(last)
        given = {"state": self.state, "after": after}
        return urlencode({name: value for name, value in given.items() if value})


def read(query: Mapping[str, str]) -> Wanted:
    """Return what the address asks for; raises Refusal (400, 404)."""
    given = filters.read(query, NAMES)
    filters.check(given, {"state": STATES})
    after = given.get("after")
    again = filters.count(given.get("again", ""))
    return Wanted(given.get("state"), after, deliveries.place(after), again)
