"""The filters of a list of jobs: part of its address, so that a list can be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.console.reading.audit import Wanted as Entries
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.worker.audit.actions import ACTIONS
from tagsweep.worker.audit.entries import EntryFilter
from tagsweep.worker.jobs.inspection.listing import Place, Wanted
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.records import ENDS

STATUSES = ("queued", "running", *sorted(ENDS))
CHOICES = {"status": STATUSES, "kind": tuple(KINDS)}
#: digits of a chunk's number
MOST_DIGITS = 9
ENTRY_CHOICES = {"action": ACTIONS}
AUDIT = ("action", "by", "since", "tenant")
NAMES = ("status", "kind", "by", "name", "since", "until", "tenant")


def read(fields: Mapping[str, str], names: Sequence[str] = NAMES) -> dict[str, str]:
    """Return the filters that are given, of a query or a form."""
    return {name: fields[name].strip() for name in names if fields.get(name, "").strip()}


def wanted(given: Mapping[str, str], caller: Caller) -> Wanted:
    """Return which jobs the filters name; raises Refusal (400, 403)."""
    tenant = _tenant(given, caller)
    _check(given, CHOICES)
    since, until = (
        _time(name, given[name]) if name in given else None for name in ("since", "until")
    )
    status, kind, by, tag = (given.get(each) for each in ("status", "kind", "by", "name"))
    return Wanted(tenant, status, kind, by, tag, since, until)


def wanted_entries(given: Mapping[str, str], caller: Caller) -> Entries:
    """Return which entries of the audit the filters name; raises Refusal (400, 403)."""
    tenant = _tenant(given, caller)
    _check(given, ENTRY_CHOICES)
    since = _time("since", given["since"]) if "since" in given else None
    return Entries(EntryFilter(tenant, since), given.get("action"), given.get("by"))


def place(text: str | None) -> Place | None:
    """Return the place in a list that its address names; raises Refusal (400)."""
    if not text:
        return None
    moment, _, job_id = text.partition("/")
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), UUID(job_id)
    except (ValueError, OverflowError):
        raise Refusal(400, "This page of the list does not exist: begin at its first.") from None


def query(given: Mapping[str, str], after: Place) -> str:
    """Return the query of the page that begins after a place."""
    return urlencode({**given, "after": f"{after[0].isoformat()}/{after[1]}"})


def stretch(text: str | None) -> tuple[int, int] | None:
    """Return the first and the last chunk that an address names; raises Refusal (400)."""
    if not text:
        return None
    first, _, last = text.partition("-")
    ends = (first, last or first)
    usable = all(end.isascii() and end.isdecimal() and len(end) <= MOST_DIGITS for end in ends)
    if not usable or int(ends[0]) > int(ends[1]):
        raise Refusal(400, "chunks must be two numbers like 0-99.")
    return int(ends[0]), int(ends[1])


def _tenant(given: Mapping[str, str], caller: Caller) -> str | None:
    """Return the tenant that is looked at; None: an admin looks at all."""
    tenant = given.get("tenant")
    if caller.admin:
        return tenant
    if tenant not in (None, caller.tenant):
        raise Refusal(403, "The key belongs to another tenant.")
    return caller.tenant


def _check(given: Mapping[str, str], choices: Mapping[str, Sequence[str]]) -> None:
    for name, known in choices.items():
        if name in given and given[name] not in known:
            raise Refusal(400, f"{name} must be one of {', '.join(known)}.")


def _time(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a bare + in a query is a blank
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(400, f"{name} must be a time like 2026-01-31T12:00.") from None
