"""The warnings of what matches nothing: their words, and how many of them are listed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tagsweep.worker.errors import ItemError

#: warnings of a kind that a job has; those that are more are counted
MOST_WARNINGS = 100
#: missing names of a job for which a near one is looked up
MOST_LOOKED_UP = 3


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of ``names`` that is most like ``name``; None if none is much like it."""
    close = difflib.get_close_matches(name, sorted({*names} - {name}), n=1, cutoff=0.7)
    return close[0] if close else None


def warning(path: str, reason: str, near: str | None) -> ItemError:
    """Return a warning, with the ``near`` name if there is one."""
    hint = f' Did you mean "{near}"?' if near else ""
    return {"path": path, "code": "unknown_tag", "reason": reason + hint}


def bounded(warnings: list[ItemError], path: str) -> list[ItemError]:
    """Return the first of ``warnings``, and one that counts the others."""
    more = len(warnings) - MOST_WARNINGS
    if more <= 0:
        return warnings
    reason = f"And {more:,} more of them match nothing."
    return [*warnings[:MOST_WARNINGS], warning(path, reason, None)]
