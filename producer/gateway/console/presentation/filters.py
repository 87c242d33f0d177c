"""The filters of a list of jobs: part of its address, so that a list can be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests import times
from tagsweep.worker.jobs.inspection.listing import Place, Wanted
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.records import ENDS

STATUSES = ("queued", "running", *sorted(ENDS))
CHOICES = {"status": STATUSES, "kind": tuple(KINDS)}
#: digits of a number in an address
MOST_DIGITS = 9
NAMES = ("status", "kind", "by", "name", "since", "until", "tenant")


def read(fields: Mapping[str, str], names: Sequence[str] = NAMES) -> dict[str, str]:
    """Return the filters that are given, of a query or a form."""
    return {name: fields[name].strip() for name in names if fields.get(name, "").strip()}


def wanted(given: Mapping[str, str], caller: Caller) -> Wanted:
    """Return which jobs the filters name; raises Refusal (400, 403)."""
    tenant = tenant_of(given, caller)
    check(given, CHOICES)
    since, until = (
        time(name, given[name]) if name in given else None for name in ("since", "until")
    )
    status, kind, by, tag = (given.get(each) for each in ("status", "kind", "by", "name"))
    return Wanted(tenant, status, kind, by, tag, since, until)


def place(text: str | None) -> Place | None:
    """Return the place in a list that its address names; raises Refusal (400)."""
    if not text:
        return None
    try:
        moment, job_id = times.place(text)
        return moment, UUID(job_id)
    except ValueError:
        raise Refusal(400, "This page of the list does not exist: begin at its first.") from None


def query(given: Mapping[str, str], after: Place) -> str:
    """Return the query of the page that begins after a place."""
    return urlencode({**given, "after": f"{after[0].isoformat()}/{after[1]}"})


def stretch(text: str | None) -> tuple[int, int] | None:
    """Return the first and the last chunk that an address names; raises Refusal (400)."""
    if not text:
        return None
    first, _, last = text.partition("-")
    begin, end = count(first), count(last or first)
    if begin is None or end is None or begin > end:
        raise Refusal(400, "chunks must be two numbers like 0-99.")
    return begin, end


def count(text: str) -> int | None:
    """Return the number that an address names; None if it names none."""
    usable = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    return int(text) if usable else None


def tenant_of(given: Mapping[str, str], caller: Caller) -> str | None:
    """Return the tenant that is looked at; None: an admin looks at all. Raises Refusal (403)."""
    tenant = given.get("tenant")
    if caller.admin:
        return tenant
    if tenant not in (None, caller.tenant):
        raise Refusal(403, "The key belongs to another tenant.")
    return caller.tenant


def check(given: Mapping[str, str], choices: Mapping[str, Sequence[str]]) -> None:
    """Raise Refusal (400) for a filter that is given, and none of its choices."""
    for name, known in choices.items():
        if name in given and given[name] not in known:
            raise Refusal(400, f"{name} must be one of {', '.join(known)}.")


def time(name: str, text: str) -> datetime:
    """Return the time that a filter gives; raises Refusal (400)."""
    try:
        return times.in_query(text)
    except ValueError:
        raise Refusal(400, f"{name} must be a time like 2026-01-31T12:00.") from None
