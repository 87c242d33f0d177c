"""Whose tags a request is about."""

from __future__ import annotations

from typing import Any


def of_request(request: Any) -> str:
    """Return the tenant: one user is of another than all others."""
    return "other" if request.user.get_username() == "elsewhere" else "main"
