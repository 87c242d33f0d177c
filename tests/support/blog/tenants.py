"""Whose tags a request is about."""

from __future__ import annotations

from typing import Any


def of_request(request: Any) -> str:
    """Return the tenant: two users are of others than all the rest."""
    return {"elsewhere": "other", "paged": "paged"}.get(request.user.get_username(), "main")
