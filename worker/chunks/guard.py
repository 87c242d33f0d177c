"""The guards of a job: if more items than its limit would be changed, none is.

Nor is any if the job is strict and a part of it matches nothing, nor if a map's tables cannot have
such a tenant, or have several tags of a name. Items are counted over the whole
job, under the conditions of the statements that change them, in the transaction that splits the
job: before the first change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import ItemError
from tagsweep.worker.jobs import lifecycle, scheduling
from tagsweep.worker.jobs.derived import approval
from tagsweep.worker.models import views
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.store import KINDS, links

CODE = "max_affected"
INSPECT = "Inspect it with a dry run, then narrow the job or raise the limit."
PREVIEW = "Preview the job again, then run that."
#: the member of an error that has the number of items, by the word for what is done to them
_WOULD: dict[str, Literal["would_remove", "would_add", "would_set", "would_move"]] = {
    "removed": "would_remove",
    "added": "would_add",
    "set": "would_set",
    "moved": "would_move",
}


def check(connection: Connection, job: JobRecord) -> JobRecord:
    """Return a job that was just split, ended ``rejected`` if a guard of its stops it."""
    if job.ended or not is_guarded(job):
        return job
    database.plan_for_many(connection)
    errors = [*_unusable(connection, job), *_unmatched(connection, job)]
    errors += [*approval.lacking(connection, job), *_too_many(connection, job)]
    return lifecycle.refuse(connection, job, errors) if errors else job


def is_guarded(job: JobRecord) -> bool:
    """Tell whether anything may stop the job once it is split, before its first change."""
    known = all(
        one.resource.tags.unique and one.resource.can_belong_to(str(job.tenant))
        for one in job.resources.values()
    )
    asked = job.max_affected is not None or bool(job.head.get("strict"))
    return asked or not known or approval.is_asked_of(job)


def _unusable(connection: Connection, job: JobRecord) -> Iterator[ItemError]:
    """Yield what makes it unknown which rows of a map's tables the job is about."""
    for one in job.resources.values():
        if not one.resource.can_belong_to(str(job.tenant)):
            reason = f"{one.resource.name} has no such tenant: {one.resource.tenants}."
            yield {"path": "/tenant", "code": "foreign_tenant", "reason": reason}
            return
    for name in links.ambiguous(connection, job):
        reason = f'Several tags have the name "{name}": tagsweep map check says how to mend it.'
        names = job.head["names"]
        path = f"/names/{names.index(name)}" if name in names else "/into"
        yield {"path": path, "code": "ambiguous_name", "reason": reason}


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
    changed, _ = views.words(job.acts_as, adds=job.adds)
    items = f"{would} item" + "s" * (would != 1)
    most, advice = f"at most {job.max_affected} may be", INSPECT
    if "previewed" in job.head:
        most, advice = f"the preview has shown {job.max_affected}", PREVIEW
    error: ItemError = {
        "path": f"/{CODE}",
        "code": CODE,
        "reason": f"{items} would be {changed}, and {most}: nothing was changed. {advice}",
    }
    error[_WOULD[changed]] = would
    return error
