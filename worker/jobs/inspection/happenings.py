"""One thing that happened to a job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a job."""

    #: previewed, accepted, started, waited, ended, cancelled, paused, resumed, retried, undone,
    #: run; now also: cancelling, paused, waiting
    what: str
    at: datetime | None  #: of what is so now: since when; None: that is not known
    detail: str | None = None
    by: str | None = None
    job: str | None = None  #: another job that it is about
    seconds: float | None = None  #: how long it lasted, if it did last, and is over
