"""Who asked for each job, as the jobs themselves have it, in the form of entries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, case, cast, func, null, select

from tagsweep.worker.models.tables import audit_entry
from tagsweep.worker.models.tables import job as jobs

_HEAD = jobs.c.head
_ACTION: ColumnElement[str] = case(
    (_HEAD["dry_run"].as_boolean(), "job.preview"),
    (_HEAD["previewed"].as_string().is_not(None), "job.run"),
    (jobs.c.kind == "undo", "job.undo"),
    else_="job.create",
)
#: the job that it undoes, or whose preview it runs
_TARGET = func.coalesce(_HEAD["job"].as_string(), _HEAD["previewed"].as_string())
#: the columns by which jobs are found, as those of entries are
COLUMNS: dict[str, ColumnElement[Any]] = {
    "id": jobs.c.id,
    "at": jobs.c.accepted_at,
    "action": _ACTION,
    "tenant": jobs.c.tenant,
    "requested_by": jobs.c.requested_by,
    "credential": jobs.c.credential,
    "job_id": jobs.c.id,
    "kind": jobs.c.kind,
    "target": _TARGET,
    "details": cast(null(), audit_entry.c.details.type),
    "note": _HEAD["note"].as_string(),
}


def selected() -> Select[Any]:
    """Return the query of all of them."""
    return select(*(column.label(name) for name, column in COLUMNS.items()))


def of(connection: Connection, job_id: UUID) -> dict[str, Any]:
    """Return the columns of the entry that tells who asked for a job; the job has to exist."""
    row = dict(connection.execute(selected().where(jobs.c.id == job_id)).mappings().one())
    note = row.pop("note")
    return {**row, "details": details(None, note)}


def details(given: dict[str, Any] | None, note: str | None) -> dict[str, Any] | None:
    """Return what else is to be known of an entry: of a job, the note that it was given."""
    return {"note": note} if note else given
