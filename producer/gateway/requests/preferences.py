"""How a client wants to be answered: the headers ``Prefer`` and ``Idempotency-Key``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

from tagsweep.producer.gateway.errors import Refusal

_PREFERENCE = re.compile(r'\s*([A-Za-z-]+)\s*(?:=\s*"?([^";,]*)"?)?\s*(?:;[^,]*)?')
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
MAX_WAIT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Preference:
    """How long to wait for a job to end, and what to answer if it has not ended by then."""

    respond_async: bool
    wait_s: float
    applied: str | None  #: the header Preference-Applied

    def accepted(self, *, ended: bool) -> bool:
        """Return whether to answer 202, depending on whether the job has ended."""
        return self.respond_async and not (self.wait_s and ended)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say which preferences were applied."""
        return {"Preference-Applied": self.applied} if self.applied else {}


def read(headers: Headers, wait_s: int, *, always_async: bool = False) -> Preference:
    """Return what the client prefers (RFC 7240); by default, to wait ``wait_s``.

    ``always_async``: the answer is 202 whatever it prefers; by default it does not wait.
    What is not understood is ignored, as the RFC says; of repeated preferences the first counts.
    """
    given: dict[str, str] = {}
    for part in ",".join(headers.getlist("prefer")).split(","):
        match = _PREFERENCE.fullmatch(part)
        if match:
            given.setdefault(match[1].lower(), (match[2] or "").strip())
    asked_async = given.get("respond-async") == ""
    respond_async = asked_async or always_async
    wait = given.get("wait", "")
    seconds = int(wait) if wait.isdecimal() and len(wait) <= MAX_WAIT_DIGITS else None
    if seconds is not None and seconds > wait_s:
        seconds = None  # longer than the gateway waits: not applied, and not reported as applied
    applied = ["respond-async"] if asked_async else []
    if seconds is not None:
        applied.append(f"wait={seconds}")
    default = 0 if respond_async else wait_s
    return Preference(
        respond_async, default if seconds is None else seconds, ", ".join(applied) or None
    )


def idempotency_key(headers: Headers) -> str | None:
    """Return the request's Idempotency-Key; raises Refusal (400) if it is not usable."""
    given = headers.getlist("idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        detail = "Idempotency-Key must be given once, as 1 to 255 printable ASCII characters."
        raise Refusal(400, detail)
    return given[0]
