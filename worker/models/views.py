"""A job as every interface shows it, while it runs and after its end, and its counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.records import CHANGING, JobRecord, is_missing

_REMOVED, _ADDED = ("removed", "absent"), ("added", "present")
_SET, _MOVED = ("set", "unchanged"), ("moved", "absent")
#: those of kinds that do not remove
_WORDS = {"attach": _ADDED, "set": _SET, "merge": _MOVED}
#: the members of a tag that are shown
_TAG = ("id", "name", "created_at", "updated_at")
#: the lists that a job may have
LISTS = (*RESOURCE_TYPES, "workspaces")
#: every possible outcome of an item
OUTCOMES = (*_REMOVED, *_ADDED, *_SET, "moved", "failed", "unprocessed")


def words(kind: str, *, adds: bool = False) -> tuple[str, str]:
    """Return the outcomes of an item that a job of ``kind`` changed, and that needed no change.

    ``adds``: of an undo that puts back; any other removes.
    """
    return _ADDED if adds and kind not in CHANGING else _WORDS.get(kind, _REMOVED)


def changing(job: JobRecord) -> set[str]:
    """Return the outcomes of the items that the job changes; of a preview, those it would."""
    changed, _ = words(job.acts_as, adds=job.adds)
    # where a merge finds the new tag too, the old one still goes
    return {changed, "present"} if job.acts_as == "merge" else {changed}


def counts(job: JobRecord) -> dict[str, int]:
    """Return the job's items by outcome so far; the last four always add up to ``total``."""
    changed, unchanged = words(job.acts_as, adds=job.adds)
    return {
        "total": job.total,
        changed: job.changed - job.present,
        **({"present": job.present} if job.acts_as == "merge" else {}),
        unchanged: job.absent,
        "failed": job.failed,
        "unprocessed": job.unprocessed,
    }


def of(job: JobRecord, event: dict[str, Any] | None) -> dict[str, Any]:
    """Return ``job`` as JSON; ``event`` is that of its latest end, if it has ended.

    ``note``, ``requested_by``, ``warnings``, ``undoes``, ``previewed``, ``dry_run``, ``remaining``,
    ``paused`` and ``waiting`` are present only if they apply.
    """
    shown: dict[str, Any] = {
        "id": str(job.id),
        "kind": job.kind,
        "tenant": job.tenant,
        "status": job.status,
        "counts": counts(job),
        "tags": _tags(job, event),
        "progress": _progress(job),
        "accepted_at": stamp(job.accepted_at),
        "started_at": job.started_at and stamp(job.started_at),
        "finished_at": job.finished_at and stamp(job.finished_at),
        "errors": job.errors,
        "request": request_of(job),
        **told_of(job),
    }
    if "job" in job.head:
        shown["undoes"] = job.head["job"]
    if "previewed" in job.head:
        shown["previewed"] = job.head["previewed"]
    if job.dry_run:
        shown["dry_run"] = True
    if job.remaining is not None:
        shown["remaining"] = job.remaining
    if job.paused and not job.ended:
        shown["paused"] = True
    if job.waiting and not job.ended:
        shown["waiting"] = job.waiting
    return shown


def request_of(job: JobRecord) -> dict[str, Any]:
    """Return what the job was asked for: what it names, its options, and the sizes of its lists.

    A list that is ``"*"`` stands as that among the sizes; until a stream is complete, its lists are
    missing.
    """
    mapped = job.head.get("resources", {})
    selected = {**job.head, **mapped}.items()
    every = {name: size for name, size in selected if size == EVERY and name in {*LISTS, *mapped}}
    # a callback's URL may hold a secret, and events go to everybody who reads the stream
    apart = {*every, "note", "tenant", "resources", "previewed", "callback_url", "tag"}
    asked = {name: value for name, value in job.head.items() if name not in apart}
    lists = {**(job.sizes or {}), **every}
    return {**asked, "lists": {name: lists[name] for name in (*LISTS, *mapped) if name in lists}}


def told_of(job: JobRecord) -> dict[str, Any]:
    """Return who asked for the job, the note with it, and its warnings, where there are any."""
    told = {
        "requested_by": job.requested_by,
        "note": job.head.get("note"),
        "warnings": job.warnings,
    }
    return {name: value for name, value in told.items() if value}


def _tags(job: JobRecord, event: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the tags of the event; before the end, those that a job about links matched."""
    if job.ended and event:
        tags: list[dict[str, Any]] = event["data"]["tags"]
        return tags
    return tags_of(job)


def tags_of(job: JobRecord) -> list[dict[str, Any]]:
    """Return the tags that a job about links matched, as they were then; of any other, none."""
    if not job.about_links:
        return []
    tags = [tag(target) for target in job.targets]
    return [job.resources.shown_tag(one) for one in tags] if job.mapped else tags


def tag(target: dict[str, Any]) -> dict[str, Any]:
    """Return a matched tag as shown; one that does not exist, but would be created, has no id."""
    own = {name: target[name] for name in _TAG if name in target}
    return {**own, "id": None} if is_missing(target) else own


def _progress(job: JobRecord) -> dict[str, Any]:
    """Return the items done, all items, and items per second since the job was split."""
    done = job.total - job.unprocessed
    if job.started_at is None:
        return {"done": done, "total": job.total, "rate": 0.0}
    seconds = ((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds()
    # SQLite's clock counts milliseconds: nothing took less than one
    return {"done": done, "total": job.total, "rate": round(done / max(seconds, 0.001), 1)}
