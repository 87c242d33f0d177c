"""Which events a webhook is for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row


def is_for(hook: Row[Any], event: dict[str, Any]) -> bool:
    """Tell whether a webhook is for this event, by the kind and status of its job."""
    data = event["data"]
    kinds, statuses = hook.kinds, hook.statuses
    return (kinds is None or data["kind"] in kinds) and (
        statuses is None or data["status"] in statuses
    )
