"""The guard of a job: if more items than its limit would be changed, none is.

The items are counted over the whole job, under the conditions of the statements that change them,
in the transaction that splits the job: before the first change.
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
    """Return a job that was just split, ended ``rejected`` if it would change too many items."""
    if job.ended or job.max_affected is None:
        return job
    database.plan_for_many(connection)
    kind = KINDS[job.kind]
    chunks = scheduling.open_chunks(connection, job)
    would = sum(kind.count(connection, job, chunk) for chunk in chunks)
    if would <= job.max_affected:
        return job
    return lifecycle.refuse(connection, job, _error(job, would))


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
