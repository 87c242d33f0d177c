"""Pages of a list by offset and limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests import pagination

MOST_OFFSET = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of a list is asked for."""

    offset: int
    limit: int


def query(most: int, default: int | None = None) -> dict[str, Any]:
    """Return the schema of the parameters; ``most``, ``default``: of the limit."""
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": default or most}
    offset = {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET, "default": 0}
    return {"offset": offset, "limit": limit}


def read(request: Request, most: int, default: int | None = None) -> Place:
    """Return the part that is asked for; raises Refusal (400)."""
    limit = _number(request, "limit", 1, most, default or most)
    return Place(_number(request, "offset", 0, MOST_OFFSET, 0), limit)


def _number(request: Request, name: str, least: int, most: int, default: int) -> int:
    text = pagination.parameter(request, name)
    if text is None:
        return default
    usable = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_OFFSET))
    if not usable or not least <= int(text) <= most:
        raise Refusal(400, f"{name} must be a whole number from {least} to {most}.")
    return int(text)
