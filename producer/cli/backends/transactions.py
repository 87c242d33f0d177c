"""Transactions of commands; if the store is lost in one, the error says what is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.errors import NoSuchJob, Retryable, TagsweepError
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.records import JobRecord

NO_JOB = "There is no job {id}: `tagsweep jobs list` shows the jobs there are."
UNKNOWN = "It is not known whether that was done: `tagsweep jobs show {id}` tells."


class CommitLost(Exception):
    """The store was lost during the commit: it is not known whether it took place."""


@contextmanager
def opened() -> Iterator[Connection]:
    """Open a transaction; raises CommitLost if only its commit failed."""
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
def of_job(job_id: UUID) -> Iterator[Connection]:
    """Open a transaction that changes an existing job; raises NoSuchJob."""
    try:
        with opened() as connection:
            existing(connection, job_id)
            yield connection
    except CommitLost as lost:
        raise TagsweepError(f"{lost} {UNKNOWN.format(id=job_id)}") from lost
    except Retryable as error:
        raise TagsweepError(f"{error} Job {job_id} was not changed.") from error


def existing(connection: Connection, job_id: UUID) -> JobRecord:
    """Return the job's record; raises NoSuchJob, worded for whoever typed the id."""
    job = queries.find(connection, job_id)
    if job is None:
        raise NoSuchJob(NO_JOB.format(id=job_id))
    return job


def record_of(job_id: UUID) -> JobRecord:
    """Return the job's record, read in a transaction of its own; raises NoSuchJob."""
    with database.reading() as connection:
        return existing(connection, job_id)
