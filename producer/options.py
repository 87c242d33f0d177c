"""The options of jobs as Python callers give them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict


class Options(TypedDict, total=False):
    """The options of any job."""

    dry_run: bool  #: only find out what would be changed
    max_affected: int | None  #: change nothing at all if more items would be changed
    strict: bool  #: change nothing at all if any part of the job matches nothing
    note: str | None  #: why: shown with the job and in its event
    callback_url: str | None  #: its end is told there, signed with the tenant's callback secret


class DetachOptions(Options, total=False):
    """The options of a detach."""

    attached_before: datetime | str | None  #: with a zone; exclusive
    attached_after: datetime | str | None  #: the same; inclusive
    unless: Iterable[str]  #: what carries one of these tags is left alone
    drop: bool  #: delete the tags that are left without links
