"""The guards of a job: if more items than its limit would be changed, none is.

Nor is any if the job is strict and a part of it matches nothing. Items are counted over the whole
job, under the conditions of the statements that change them, in the transaction that splits the
job: before the first change.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import ItemError
from tagsweep.worker.jobs import lifecycle, scheduling
from tagsweep.worker.models import views
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.store import KINDS

CODE = "max_affected"


def check(connection: Connection, job: JobRecord) -> JobRecord:
    """Return a job that was just split, ended ``rejected`` if a guard of its stops it."""
    if job.ended or not is_guarded(job):
        return job
    database.plan_for_many(connection)
    errors = [*_unmatched(connection, job), *_too_many(connection, job)]
    return lifecycle.refuse(connection, job, errors) if errors else job


def is_guarded(job: JobRecord) -> bool:
    """Tell whether anything may stop the job once it is split, before its first change."""
    return job.max_affected is not None or bool(job.head.get("strict"))


def _unmatched(connection: Connection, job: JobRecord) -> list[ItemError]:
    """Return what a strict job would be warned of."""
    if not job.head.get("strict"):
        return []
    chunks = scheduling.open_chunks(connection, job)
    return [*(job.warnings or []), *KINDS[job.kind].unmatched_in(connection, job, chunks)]


def _too_many(connection: Connection, job: JobRecord) -> list[ItemError]:
    if job.max_affected is None:
        return []
    kind = KINDS[job.kind]
    chunks = scheduling.open_chunks(connection, job)
    would = sum(kind.count(connection, job, chunk) for chunk in chunks)
    return [] if would <= job.max_affected else [_error(job, would)]


def _error(job: JobRecord, would: int) -> ItemError:
    changed, _ = views.words(job.kind)
    items = f"{would} item" + "s" * (would != 1)
    error: ItemError = {
        "path": f"/{CODE}",
        "code": CODE,
        "reason": f"{items} would be {changed}, and at most {job.max_affected} may be: nothing was "
        "changed. Inspect it with a dry run, then narrow the job or raise the limit.",
    }
    if changed == "added":
        error["would_add"] = would
    else:
        error["would_remove"] = would
    return error
