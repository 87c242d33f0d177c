"""The public task ``tags.delete``."""

from __future__ import annotations

from worker import acceptance
from worker.messaging.tasks import Delivery, task
from worker.models.jobs import DeleteJob


@task(DeleteJob.task)
def delete(delivery: Delivery) -> None:
    """Delete key/value tags from workspaces; the Celery task id is the job's id."""
    acceptance.accept(DeleteJob, delivery)
