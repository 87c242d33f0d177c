"""Numbers, times and jobs as people read them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tagsweep.worker.models.ids import RESOURCE_TYPES

Shown = dict[str, Any]

#: names that a sentence has in full
MOST_NAMES = 3
#: between what is done and what it is done to
_PREPOSITIONS = {"attach": "to", "merge": "on", "set": "on"}
#: what somebody did, by the name of the action; others are told by that name
_DEEDS = {
    "job.create": "asked for a job",
    "job.preview": "asked for a preview",
    "job.run": "ran a preview",
    "job.undo": "undid a job",
    "job.cancel": "cancelled a job",
    "job.pause": "paused a job",
    "job.resume": "resumed a job",
    "job.retry": "retried a job",
    "key.create": "made a key",
    "key.rotate": "rotated a key",
    "key.revoke": "revoked a key",
    "key.reencrypt": "encrypted secrets anew",
    "console.sign_in": "signed in",
    "console.sign_in_failed": "failed to sign in",
    "console.sign_out": "signed out",
    "tag.create": "created a tag",
    "tag.rename": "renamed a tag",
    "tag.delete": "deleted a tag",
    "webhook.create": "made a webhook",
    "webhook.update": "changed a webhook",
    "webhook.delete": "deleted a webhook",
    "webhook.rotate": "rotated the secret of a webhook",
    "webhook.test": "tried a webhook",
    "webhook.redeliver": "sent a webhook's event again",
}
#: characters that run from right to left, and those that no one sees and that order others
_LEFTWARD = {"R", "AL", "AN"}
_ORDERS = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: how long ago just now is
RECENT_S = 15
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def number(value: float) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.1f}"  # noqa: PLR2004  # below, a digit tells


def counted(value: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """Return a length of time, roughly."""
    if seconds < 1:
        return "less than 1 s"
    for place, (length, unit) in enumerate(_UNITS):
        if seconds >= length:
            rest = int(seconds % length) // _UNITS[place + 1][0] if length > 1 else 0
            more = f" {rest} {_UNITS[place + 1][1]}" if rest else ""
            return f"{int(seconds // length)} {unit}{more}"
    return "less than 1 s"


def since(moment: str | datetime | None) -> str:
    """Return how long ago a moment is, roughly: so a page need not change every second."""
    if moment is None:
        return "never"
    seconds = (datetime.now(UTC) - _parsed(moment)).total_seconds()
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "now"


def ahead(moment: str | datetime) -> str:
    """Return how far off a moment is, roughly."""
    seconds = (_parsed(moment) - datetime.now(UTC)).total_seconds()
    return f"in {span(seconds)}" if seconds >= 1 else "now"


def exact(moment: str | datetime | None) -> str:
    """Return a moment to the second, in UTC."""
    return "" if moment is None else f"{_parsed(moment).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def cell(value: object) -> str:
    """Return a value of a receipt, or of an entry of the audit, as its table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return "" if value is None else str(value)


def deed(action: str) -> str:
    """Return in words what somebody did: "job.cancel" as "cancelled a job"."""
    return _DEEDS.get(action) or " ".join(reversed(action.replace("_", " ").split(".")))


def clock(moment: datetime) -> str:
    """Return the time of day of a moment, in UTC."""
    return f"{moment:%H:%M}"


def is_recent(moment: datetime) -> bool:
    """Return whether a moment was just now: workers tell of their work every few seconds."""
    return (datetime.now(UTC) - moment).total_seconds() < RECENT_S


def between(start: str | None, end: str | None) -> str:
    """Return how long something took, or has taken so far."""
    if start is None:
        return ""
    return span(((_parsed(end) if end else datetime.now(UTC)) - _parsed(start)).total_seconds())


def isolated(name: str) -> str:
    """Return a name as a sentence has it: the rest stays in its order, whatever the name's is.

    What changes the order of text and is not seen is shown as a character of its own.
    """
    plain = _ORDERS.sub("\ufffd", name)
    is_leftward = any(unicodedata.bidirectional(each) in _LEFTWARD for each in plain)
    return f"\u2068{plain}\u2069" if is_leftward else plain


def job(shown: Shown) -> str:
    """Return in words what a job does: "detach legacy, old from 2,000,000 tables, preview"."""
    request, kind = shown["request"], shown["kind"]
    if kind == "undo":
        return f"undo job {str(request.get('job', ''))[:8]}{_suffix(shown)}"
    names = [*map(isolated, request.get("names", ())), *map(_tag, request.get("tags", ()))]
    names += [f"system {_tag(each)}" for each in request.get("sys_tags", ())]
    where = _where(request["lists"])
    parts = [kind, _some(names)]
    if request.get("into"):
        parts += ["into", isolated(request["into"])]
    if where:
        parts += [_PREPOSITIONS.get(kind, "from"), _some(where)]
    return " ".join(part for part in parts if part) + _suffix(shown)


def changed(counts: dict[str, int]) -> int:
    """Return how many items a job has changed; of a merge, all that have lost an old link."""
    first = next(value for name, value in counts.items() if name != "total")
    return first + (counts["present"] if "moved" in counts else 0)


def who(shown: Shown) -> str:
    """Return who asked for a job."""
    asked = shown.get("requested_by") or {}
    return asked.get("name") or "unnamed"


def status(shown: Shown) -> str:
    """Return a job's status; one that waits for something says so."""
    for mark in ("paused", "waiting"):
        if shown.get(mark):
            return mark
    return str(shown["status"])


def left(shown: Shown) -> str | None:
    """Return how long a running job will take; None if that cannot be told."""
    progress = shown["progress"]
    if shown["status"] != "running" or shown.get("paused") or not progress["rate"]:
        return None
    return span((progress["total"] - progress["done"]) / progress["rate"])


def percent(shown: Shown) -> float:
    """Return how much of a job is done."""
    progress = shown["progress"]
    if not progress["total"]:
        return 100.0 if shown["finished_at"] else 0.0
    return float(round(100 * progress["done"] / progress["total"], 2))


def _suffix(shown: Shown) -> str:
    return ", preview" if shown.get("dry_run") else ""


def _tag(tag: dict[str, str]) -> str:
    value = tag.get("value")
    return isolated(tag["key"] if value is None else f"{tag['key']}={value}")


def _some(words: Sequence[str]) -> str:
    more = len(words) - MOST_NAMES
    return ", ".join(words[:MOST_NAMES]) + (f" and {number(more)} more" if more > 0 else "")


def _where(lists: dict[str, int | str]) -> list[str]:
    """Return what a job is on; all types of resources are one thing."""
    is_all = all(lists.get(name) == "*" for name in RESOURCE_TYPES)
    rest = {name: size for name, size in lists.items() if not (is_all and name in RESOURCE_TYPES)}
    return ["all resources"] * is_all + [_size(name, size) for name, size in rest.items()]


def _size(name: str, size: int | str) -> str:
    if size == "*":
        return f"all {name}"
    is_plural = name in RESOURCE_TYPES or name == "workspaces"
    return counted(int(size), name[:-1], name) if is_plural else f"{number(int(size))} {name}"


def _parsed(moment: str | datetime) -> datetime:
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment


FILTERS = {
    "number": number,
    "span": span,
    "since": since,
    "ahead": ahead,
    "exact": exact,
    "clock": clock,
    "cell": cell,
    "deed": deed,
    "is_recent": is_recent,
    "between": between,
    "isolated": isolated,
    "job_words": job,
    "who": who,
    "job_status": status,
    "left": left,
    "percent": percent,
}
