"""The tasks by which others steer a job that is recorded: ``tags.start`` and ``tags.cancel``."""

from __future__ import annotations

from uuid import UUID

from worker import acceptance, database, progress
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
