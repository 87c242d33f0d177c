"""What a key allows: its tenant, scopes and rights, and until when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tagsweep.worker.models.events import stamp

#: what a key may be limited to; each implies ``read``
SCOPES = ("read", "preview", "write", "undo", "approve")
MAX_NAME = 100
#: the tenant of keys that span all: no tenant has this name
NO_TENANT = ""
_SPAN = re.compile(r"([1-9]\d{0,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a new key is for."""

    tenant: str  #: NO_TENANT with ``admin``
    name: str | None = None
    scopes: tuple[str, ...] = SCOPES
    operator: bool = False  #: may change system tags
    admin: bool = False  #: sees and controls the jobs of all tenants
    expires_at: datetime | None = None
    signing: bool = False  #: with a pair of keys that sign requests

    def shown(self) -> dict[str, Any]:
        """Return what the key allows as JSON."""
        rights = {"operator": self.operator, "admin": self.admin, "signing": self.signing}
        return {
            "name": self.name,
            "scopes": list(self.scopes),
            **rights,
            "expires_at": self.expires_at and stamp(self.expires_at),
        }


def scopes_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes in their order, with ``read``; raises ValueError for one that is none."""
    wanted = {*names}
    for name in wanted:
        if name not in SCOPES:
            raise ValueError(f"must be one of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted | {"read"})


def end_of(text: str, now: datetime) -> datetime:
    """Return the time that ``text`` names: a span such as 90d from ``now``, or a time.

    Without an offset it is local time. Raises ValueError.
    """
    span = _SPAN.fullmatch(text.strip())
    try:
        if span:
            end = now + timedelta(**{_UNITS[span[2]]: int(span[1])})
        else:
            end = datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a span (12h, 90d) or a time (2027-01-31T12:00:00Z)") from None
    if end <= now:
        raise ValueError("must be in the future")
    return end
