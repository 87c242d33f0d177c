"""The counts of a job, under the names that its kind has for them."""

from __future__ import annotations

from tagsweep.worker.models.records import JobRecord

#: what a kind calls an item that it changed, and one that was already as it should be
WORDS = {"attach": ("added", "present")}
_USUAL = ("removed", "absent")


#: what may have become of an item
OUTCOMES = (*_USUAL, *WORDS["attach"], "failed", "unprocessed")


def words(kind: str, *, adds: bool = False) -> tuple[str, str]:
    """Return what jobs of ``kind`` call items that they changed, and that they need not change.

    ``adds``: an undo that puts back; another one takes off.
    """
    return WORDS["attach"] if adds else WORDS.get(kind, _USUAL)


def of(job: JobRecord) -> dict[str, int]:
    """Return what became of the job's items so far; the last four always add up to ``total``."""
    changed, unchanged = words(job.kind, adds=job.adds)
    return {
        "total": job.total,
        changed: job.changed,
        unchanged: job.absent,
        "failed": job.failed,
        "unprocessed": job.unprocessed,
    }
