"""The options of jobs as Python callers give them."""

from __future__ import annotations

from typing import TypedDict


class Options(TypedDict, total=False):
    """The options of any job."""

    dry_run: bool  #: only find out what would be changed
    max_affected: int | None  #: change nothing at all if more items would be changed
    strict: bool  #: change nothing at all if any part of the job matches nothing
    note: str | None  #: why: shown with the job and in its event
