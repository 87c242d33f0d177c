"""The tasks that act on a recorded job: cancel it, report its status."""

from __future__ import annotations

from tagsweep.worker import database
from tagsweep.worker.broker import results
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.errors import NoSuchJob, NotRecordedYet
from tagsweep.worker.jobs import control, dispatch, queries
from tagsweep.worker.models.requester import UNKNOWN

#: for how long a cancellation looks for a job whose own message may be on its way
LOOKS_S = 20


@task("tags.cancel")
def cancel(delivery: Delivery) -> None:
    """Let no further chunk of a job start, even of one that is still being split."""
    job_id = delivery.named_job
    try:
        with database.transaction() as connection:
            if delivery.express:
                database.wait_briefly(connection)
            job = control.cancel(connection, job_id, UNKNOWN)
    except NoSuchJob as unknown:
        with database.transaction() as connection:
            long_enough = control.has_looked_for(connection, delivery.task_id, LOOKS_S)
        if long_enough:
            raise
        raise NotRecordedYet(str(unknown)) from unknown
    dispatch.after_commit(job)


@task("tags.status")
def status(delivery: Delivery) -> None:
    """Report a job's status to a caller that has only the broker."""
    with database.reading() as connection:
        job = queries.find(connection, delivery.named_job)
    known = "queued" if job is None else job.status
    replies = [(delivery.reply_to, delivery.task_id)] if delivery.reply_to else []
    results.give(delivery.task_id, {"status": known}, replies)
