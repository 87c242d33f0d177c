"""Transactions of commands: where the store is lost in one, it is told what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import NoSuchJob, Retryable, TagsweepError
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.records import JobRecord

NO_JOB = "There is no job {id}: `tagsweep jobs list` shows those there are."
UNKNOWN = "Whether that was done with job {id} is not known here: `tagsweep jobs show {id}` tells."


class CommitLost(Exception):
    """The store was lost at the commit: whether it took place is not known here."""


@contextmanager
def change() -> Iterator[Connection]:
    """Open a transaction; raises CommitLost where only its end went wrong."""
    committing = False
    try:
        with database.transaction() as connection:
            yield connection
            committing = True
    except Retryable as error:
        if committing:
            raise CommitLost(str(error)) from error
        raise


@contextmanager
def steering(job_id: UUID) -> Iterator[Connection]:
    """Open a transaction in which something is done with a job that is there."""
    try:
        with change() as connection:
            existing(connection, job_id)
            yield connection
    except CommitLost as lost:
        raise TagsweepError(f"{lost} {UNKNOWN.format(id=job_id)}") from lost
    except Retryable as error:
        raise TagsweepError(f"{error} Nothing was done with job {job_id}.") from error


def existing(connection: Connection, job_id: UUID) -> JobRecord:
    """Return the job's record; raises NoSuchJob, in words for who typed the id."""
    job = queries.find(connection, job_id)
    if job is None:
        raise NoSuchJob(NO_JOB.format(id=job_id))
    return job
