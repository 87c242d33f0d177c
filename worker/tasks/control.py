"""The tasks by which others steer and follow a recorded job: start, cancel, status."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker import results
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.chunks import attempts
from tagsweep.worker.errors import InvalidJob, NoSuchJob, NotRecordedYet
from tagsweep.worker.jobs import control, dispatch, queries
from tagsweep.worker.tasks import starting

#: how often a cancellation looks for a job that its own message may yet bring: over some 20 s
MOST_LOOKS = 25
NO_JOB = "It names no job: it is to be the id of one, a UUID."


@task("tags.start")
def start(delivery: Delivery) -> None:
    """Split a job that was recorded in the store; recovery would do it a little later."""
    with suppress(NoSuchJob):  # taken back by who recorded it, before this message came
        starting.start_recorded(_job_id(delivery))


@task("tags.cancel")
def cancel(delivery: Delivery) -> None:
    """Let no further chunk of a job begin, also of one whose own message is still being split."""
    job_id = _job_id(delivery)
    try:
        with database.transaction() as connection:
            job = control.cancel(connection, job_id)
    except NoSuchJob as unknown:
        # not by how often it was sent anew: the store may have refused it meanwhile
        if attempts.count(f"look {delivery.task_id}"[:255]) >= MOST_LOOKS:
            raise
        raise NotRecordedYet(str(unknown)) from unknown
    dispatch.after_commit(job)


@task("tags.status")
def status(delivery: Delivery) -> None:
    """Tell how a job stands to whoever has the broker alone."""
    with database.reading() as connection:
        job = queries.find(connection, _job_id(delivery))
    known = "queued" if job is None else job.status
    replies = [(delivery.reply_to, delivery.task_id)] if delivery.reply_to else []
    results.give(delivery.task_id, {"status": known}, replies)


def _job_id(delivery: Delivery) -> UUID:
    try:
        return UUID(delivery.body)
    except (AttributeError, TypeError, ValueError):
        raise InvalidJob([{"path": "", "code": "invalid", "reason": NO_JOB}]) from None
