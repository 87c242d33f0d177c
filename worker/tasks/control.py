"""The tasks by which others steer and follow a recorded job: start, cancel, status."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from worker import acceptance, database, following, progress
from worker.errors import NoSuchJob, NotRecordedYet
from worker.messaging import answers
from worker.messaging.tasks import Delivery, task

#: how often a cancellation looks for a job that its own message may yet bring: over some 20 s
MOST_LOOKS = 8


@task("tags.start")
def start(delivery: Delivery) -> None:
    """Split a job that was recorded in the store; recovery would do it a little later."""
    with suppress(NoSuchJob):  # taken back by who recorded it, before this message came
        acceptance.start_recorded(UUID(delivery.body))


@task("tags.cancel")
def cancel(delivery: Delivery) -> None:
    """Let no further chunk of a job begin, also of one whose own message is still being split."""
    job_id = UUID(delivery.body)
    try:
        with database.transaction() as connection:
            progress.cancel(connection, job_id)
    except NoSuchJob as unknown:
        if delivery.retries >= MOST_LOOKS:
            raise
        raise NotRecordedYet(str(unknown)) from unknown
    following.finish(job_id)


@task("tags.status")
def status(delivery: Delivery) -> None:
    """Tell how a job stands to whoever has the broker alone."""
    with database.reading() as connection:
        job = progress.find(connection, UUID(delivery.body))
    known = "queued" if job is None else job.status
    replies = [(delivery.reply_to, delivery.task_id)] if delivery.reply_to else []
    answers.give(delivery.task_id, {"status": known}, replies)
