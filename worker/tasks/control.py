"""The tasks by which others steer and follow a recorded job: start, cancel, status."""

from __future__ import annotations

from uuid import UUID

from worker import acceptance, database, progress
from worker.messaging import answers
from worker.messaging.tasks import Delivery, task


@task("tags.start")
def start(delivery: Delivery) -> None:
    """Split a job that was recorded in the store; recovery would do it a little later."""
    acceptance.start_recorded(UUID(delivery.body))


@task("tags.cancel")
def cancel(delivery: Delivery) -> None:
    """Let no further chunk of a job begin."""
    job_id = UUID(delivery.body)
    with database.transaction() as connection:
        progress.cancel(connection, job_id)
    acceptance.finish(job_id)


@task("tags.status")
def status(delivery: Delivery) -> None:
    """Tell how a job stands to whoever has the broker alone."""
    with database.reading() as connection:
        job = progress.find(connection, UUID(delivery.body))
    known = "queued" if job is None else job.status
    replies = [(delivery.reply_to, delivery.task_id)] if delivery.reply_to else []
    answers.give(delivery.task_id, {"status": known}, replies)
