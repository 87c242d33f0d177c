"""How the installation is, for an admin: checked seldom, and by one request for all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from tagsweep.producer.gateway.state import Gateway
from tagsweep.worker.broker import inspection
from tagsweep.worker.doctor import checks
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.errors import TagsweepError

#: how often it is checked at most, how long that may take, and how long a page waits for it
EVERY_S, CHECK_S, WAIT_S = 60.0, 60.0, 2.0
#: the same of the messages that wait, which are few commands
COUNTED_S, COUNT_S = 5.0, 1.5


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found, and when; what is wrong comes first."""

    findings: list[Finding]
    at: datetime

    @property
    def wrong(self) -> list[Finding]:
        """What somebody has to see to."""
        return [finding for finding in self.findings if finding.is_wrong]


async def last(gateway: Gateway) -> Checkup | None:
    """Return the last checkup; None if it is not finished yet."""

    async def check() -> Checkup:
        return await gateway.broker.patiently(CHECK_S, _check)

    try:
        checked = gateway.shared.get("checkup", EVERY_S, check)
        found: Checkup = await asyncio.wait_for(checked, WAIT_S)
    except (TimeoutError, TagsweepError):
        return None
    return found


async def messages(gateway: Gateway) -> int | None:
    """Return how many messages wait on the broker; None if it does not tell, or has no queues."""
    if gateway.settings.embedded:
        return None

    async def count() -> int:
        return await gateway.broker.patiently(COUNT_S, inspection.waiting)

    try:
        found: int = await gateway.shared.get("messages", COUNTED_S, count)
    except TagsweepError:
        return None
    return found


def _check() -> Checkup:
    return Checkup(list(checks.findings(brief=True)), datetime.now(UTC))
