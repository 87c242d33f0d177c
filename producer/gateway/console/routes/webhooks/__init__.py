"""The pages of webhooks: they themselves, their secrets, and the log of their deliveries."""

from __future__ import annotations

from tagsweep.producer.gateway.console.routes.webhooks import (
    controls,
    deliveries,
    listing,
    page,
    secrets,
    wishes,
)

#: a path that is one of several comes before the pattern that it fits too
MODULES = (listing, wishes, secrets, deliveries, controls, page)
