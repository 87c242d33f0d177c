"""Who did what, as a page shows it: one transaction, run in a thread."""

from __future__ import annotations

from dataclasses import dataclass

from tagsweep.worker import database
from tagsweep.worker.audit import entries
from tagsweep.worker.audit.entries import Entry, EntryFilter, Place

#: most entries that are looked through for one page, so that each costs the same
SCANNED = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a page shows; what is None does not matter."""

    filter: EntryFilter  #: by what an index finds
    action: str | None
    by: str | None  #: the name of who did it

    def fits(self, entry: Entry) -> bool:
        """Return whether an entry is one of them."""
        name = (entry.requested_by or {}).get("name")
        return self.action in (None, entry.action) and self.by in (None, name)


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first."""

    entries: list[Entry]
    next_place: Place | None  #: where the list goes on; None: this was the last of them
    stopped: bool  #: as many as are looked through at a time were, and there are more


def read(wanted: Wanted, after: Place | None, limit: int) -> Page:
    """Return up to ``limit`` of the entries after a place, among the SCANNED next."""
    with database.reading() as connection:
        looked_at = entries.page(connection, wanted.filter, after, SCANNED)
    found = [entry for entry in looked_at if wanted.fits(entry)]
    if len(found) > limit:
        last = found[limit - 1]
        return Page(found[:limit], (last.at, last.id), stopped=False)
    stopped = len(looked_at) == SCANNED
    return Page(found, (looked_at[-1].at, looked_at[-1].id) if stopped else None, stopped)
