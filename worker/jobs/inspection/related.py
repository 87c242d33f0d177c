"""What other jobs tell of a job: its undos, its preview, its run."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select

from tagsweep.worker.jobs import queries
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.jobs.inspection.happenings import Happening
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import job as jobs


def read(connection: Connection, job: JobRecord, most: int) -> list[Happening]:
    """Return what they tell, of at most so many undos."""
    return [*_undos(connection, job, most), *_preview_and_run(connection, job)]


def name(job: JobRecord) -> str | None:
    """Return the name of who asked for a job; None if it has none."""
    return (job.requested_by or {}).get("name")


def _undos(connection: Connection, job: JobRecord, most: int) -> list[Happening]:
    if job.finished_at is None:
        return []
    undone = jobs.c.head["job"].as_string() == str(job.id)
    query = select(jobs.c.id, jobs.c.accepted_at, jobs.c.requested_by)
    query = query.where(jobs.c.kind == "undo", jobs.c.tenant == job.tenant, undone)
    query = query.where(jobs.c.accepted_at >= job.accepted_at).order_by(jobs.c.accepted_at)
    return [
        Happening(
            "undone", row.accepted_at, by=(row.requested_by or {}).get("name"), job=str(row.id)
        )
        for row in connection.execute(query.limit(most))
    ]


def _preview_and_run(connection: Connection, job: JobRecord) -> list[Happening]:
    """Return the preview that the job runs, or the run that was made of it as a preview."""
    told = []
    if "previewed" in job.head:
        preview = queries.find(connection, UUID(job.head["previewed"]))
        if preview is not None and preview.tenant == job.tenant:
            told.append(_of_other("previewed", preview))
    run = runs.run_of(connection, job)
    return told if run is None else [*told, _of_other("run", run)]


def _of_other(what: str, other: JobRecord) -> Happening:
    return Happening(what, other.accepted_at, by=name(other), job=str(other.id))
