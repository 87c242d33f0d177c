"""Times that were typed: a moment, or how long ago."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")


def moment(option: str, text: str) -> datetime:
    """Return the time that ``text`` names; without an offset it is local time."""
    span = _SPAN.fullmatch(text.strip())
    try:
        if span:
            return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUse(
            f"{option} {errors.shown(text)}: give a time (2026-01-31T12:00:00Z) or how long ago "
            "(30s, 10m, 2h, 1d)."
        ) from None


def zoned(option: str, text: str | None) -> str | None:
    """Return the time that ``text`` names, as a job has it; raises WrongUse if it has no zone."""
    if text is None:
        return None
    if not _SPAN.fullmatch(text.strip()):
        with suppress(ValueError):
            if datetime.fromisoformat(text.strip()).tzinfo is None:
                raise WrongUse(
                    f"{option} {errors.shown(text)}: the time has no zone: add Z for UTC, or an "
                    "offset like +02:00."
                )
    return moment(option, text).isoformat()


def seconds(option: str, text: str) -> float:
    """Return the length of time that ``text`` names; a bare number is of seconds."""
    span = _SPAN.fullmatch(text.strip() if text.strip()[-1:] in _UNITS else f"{text.strip()}s")
    if span is None:
        raise WrongUse(f"{option} {errors.shown(text)}: give a time like 30s, 10m or 2h.")
    return timedelta(**{_UNITS[span[2]]: int(span[1])}).total_seconds()
