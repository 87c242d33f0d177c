"""The rows of a receipt, and their columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tagsweep.worker.jobs.receipt import slips
from tagsweep.worker.jobs.receipt.slips import Slip
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.views import words
from tagsweep.worker.store import Place

#: the columns of a row, by what the job is about
OF_LINKS = ("tag", "resource_type", "resource", "outcome", "reason")
OF_WORKSPACE_TAGS = ("key", "value", "system", "workspace", "outcome", "reason")
OF_SETS = ("key", "value", "previous", "system", "workspace", "outcome", "reason")

Entry = dict[str, Any]


def columns_of(job: JobRecord) -> tuple[str, ...]:
    """Return the names of the columns of a job's rows."""
    basic: tuple[str, ...] = OF_LINKS if job.about_links else OF_WORKSPACE_TAGS
    if job.acts_as == "set":
        basic = OF_SETS
    more = {"count": bool(job.selected), "dry_run": job.dry_run}
    return (*basic, *(name for name, applies in more.items() if applies))


def entries_of(job: JobRecord, slip: Slip) -> Iterator[Entry]:
    """Yield the rows of a chunk; of a range, one more that counts the items with no known name."""
    option: Entry = {"dry_run": True} if job.dry_run else {}
    single = {"count": 1, **option} if job.selected else option
    number = 0
    for target in slip.chunk.targets or range(len(job.targets)):
        for place in _items(slip, target):
            number += 1
            yield {**_entry(job, slip, target, place), **single}
    rest = slip.chunk.items - number
    if slip.chunk.is_range and rest > 0:
        outcome = words(job.acts_as)[1] if slip.closed else "unprocessed"
        targets = job.targets_of(slip.chunk)
        wanted = targets[0] if len(targets) == 1 else dict.fromkeys(("key", "value", "system"))
        shown = _link if slip.chunk.about_links else _workspace_tag
        entry = shown(job, wanted, slip.chunk, None, None)
        yield {**entry, "outcome": outcome, "reason": None, "count": rest, **option}


def _items(slip: Slip, target: int) -> Iterator[Place]:
    """Yield the places of a chunk; of a range, those about which anything is recorded."""
    if not slip.chunk.is_range:
        return slips.places(slip.chunk)
    known: tuple[dict[Any, Any], ...] = (
        slip.changed.get(target, {}),
        slip.failed.get(target, {}),
        slip.again.get(target, {}),
    )
    return iter(sorted({place for some in known for place in some}))


def _entry(job: JobRecord, slip: Slip, target: int, place: Place) -> Entry:
    changed, unchanged = words(job.acts_as, adds=job.adds)
    gone, reason = slip.changed.get(target, {}), None
    if place in gone:
        outcome = "present" if (target, place) in slip.present else changed
    elif (reason := slips.failed(slip, target, place)) is not None:
        outcome = "failed"
    else:
        outcome = unchanged if slips.closed(slip, target, place) else "unprocessed"
        reason = slip.spared.get((target, place)) if outcome == unchanged else None
    shown = _link if slip.chunk.about_links else _workspace_tag
    entry = shown(job, job.targets[target], slip.chunk, place, gone.get(place))
    if place not in gone and place in slip.values and not slip.chunk.about_links:
        entry["value"] = _undone(job, slip.values[place])
    return {**entry, "outcome": outcome, "reason": reason}


def _link(job: JobRecord, wanted: Entry, chunk: Chunk, place: Place | None, _: Any) -> Entry:
    resources, number = job.resources, chunk.resource_type
    return {
        "tag": wanted.get("name"),
        "resource_type": resources.name_of(number),
        "resource": resources.shown(number, place) if isinstance(place, bytes) else place,
    }


def _workspace_tag(
    job: JobRecord, wanted: Entry, _: Chunk, place: Place | None, change: Any
) -> Entry:
    """Return the wanted tag; if it was removed or set, with the value that it had, or has."""
    entry = {"key": wanted["key"], "value": change.value if change else wanted["value"]}
    if job.acts_as == "set":
        entry["previous"] = change.previous if change else None
        if change and change.gone:
            entry |= {"value": None, "previous": change.value}
    return {**entry, "system": wanted["system"], "workspace": place}


def _undone(job: JobRecord, value: str) -> str | None:
    """Return the value that an undo gives a tag; None: it takes the tag off."""
    former: str | None = json.loads(value)[1] if job.acts_as == "set" else value
    return former
