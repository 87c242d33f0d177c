"""The receipt of a job: what became of each item, read from the record, chunk by chunk.

Each chunk is read in one snapshot, with everything recorded of it. Nothing is locked, no
transaction outlives its chunk, and no more than one chunk is ever in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import Forgotten, NoSuchJob
from tagsweep.worker.jobs import queries
from tagsweep.worker.jobs.receipt.rows import Entry, columns_of, entries_of
from tagsweep.worker.jobs.receipt.slips import slip_after
from tagsweep.worker.models.records import JobRecord

__all__ = ["columns", "entries", "entries_of", "slip_after"]

FORGOTTEN = "The record of job {id} has expired (TAGSWEEP_KEEP_REMOVALS_DAYS)."


def entries(job_id: UUID, tenant: str | None, wanted: Collection[str]) -> Iterator[Entry]:
    """Yield a row for each item of the job whose outcome is among ``wanted``, as of now.

    The items of a job that is not split yet are not known. ``tenant``: whose job it must be; None:
    anyone's. Raises NoSuchJob, and Forgotten if the record has expired, even between two chunks.
    """
    number = -1
    while True:
        with database.snapshot() as connection:
            job = _kept(connection, job_id, tenant)
            slip = slip_after(connection, job, number)
        if slip is None:
            return
        number = slip.chunk.number
        yield from (entry for entry in entries_of(job, slip) if entry["outcome"] in wanted)


def columns(job_id: UUID, tenant: str | None) -> tuple[str, ...]:
    """Return the names of the columns of the job's receipt; raises as ``entries`` does."""
    with database.snapshot() as connection:
        return columns_of(_kept(connection, job_id, tenant))


def _kept(connection: Connection, job_id: UUID, tenant: str | None) -> JobRecord:
    job = queries.get(connection, job_id)
    if tenant is not None and job.tenant != tenant:
        raise NoSuchJob(f"There is no job {job_id}.")
    if job.forgotten_at:
        raise Forgotten(FORGOTTEN.format(id=job_id))
    return job
