"""Checks of the workers: of those that answer, or of those that the store knows."""

from __future__ import annotations

from collections.abc import Iterator

from tagsweep.worker import database
from tagsweep.worker.activity import heartbeats
from tagsweep.worker.broker import inspection
from tagsweep.worker.doctor.findings import Finding

START = "Start one: tagsweep worker"
WORKER = "tagsweep worker, or celery -A tagsweep worker -Q {}"
SILENT = "If it was killed, nothing is lost: others do its work. Else see its log."


def asked() -> Iterator[Finding]:
    """Ask the workers, which takes a while, and check that something takes from each queue."""
    if workers := inspection.workers():
        yield Finding("workers", f"{len(workers)} answer: {', '.join(workers)}.")
        yield from _untaken(workers)
    else:
        yield Finding("workers", "No worker answers.", START)


def seen() -> Iterator[Finding]:
    """Check likewise the workers that the store knows: each tells it about once a minute."""
    with database.reading() as connection:
        known = heartbeats.read(connection)
    alive = {one.name: set(one.queues) for one in known if not one.is_silent}
    for one in known:
        if one.is_silent:
            what = f"{one.name} was last seen at {one.seen_at:%Y-%m-%d %H:%M} UTC."
            yield Finding("workers", what, SILENT)
    if alive:
        yield Finding("workers", f"{len(alive)} at work: {', '.join(sorted(alive))}.")
        yield from _untaken(alive)
    else:
        minutes = heartbeats.SILENT_S / 60
        yield Finding("workers", f"No worker was seen in the last {minutes:g} minutes.", START)


def _untaken(workers: dict[str, set[str]]) -> Iterator[Finding]:
    if untaken := inspection.untaken(workers):
        what = f"None of them takes from {', '.join(untaken)}: what is sent there waits."
        yield Finding("workers", what, f"Start one: {WORKER.format(','.join(untaken))}")
