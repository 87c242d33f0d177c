"""The one transaction in which the gateway does a batch of small jobs; run in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from tagsweep.producer.gateway.submission.job_request import JobRequest
from tagsweep.producer.gateway.submission.transactions import View
from tagsweep.producer.gateway.threadpool import Gate
from tagsweep.worker import database
from tagsweep.worker.chunks import batches
from tagsweep.worker.jobs.batch_ends import NewJob


def apply(gate: Gate, batch: Sequence[JobRequest]) -> dict[UUID, View]:
    """Do plain jobs; return those that have ended, by id. The others have to go their own way.

    Raises StoreBusy or StoreRefused if anything is in the way of any of them, and Abandoned; then
    nothing is done.
    """
    new_jobs = [NewJob(wanted.job_id, wanted.job, wanted.fingerprint) for wanted in batch]
    with database.transaction() as connection:
        done = batches.apply(connection, new_jobs, commit=True, committing=gate.commit)
    return {job_id: View(ended.job, ended.event) for job_id, ended in done.ended.items()}
