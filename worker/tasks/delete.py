"""The public task ``tags.delete``."""

from __future__ import annotations

from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.models.jobs import DeleteJob
from tagsweep.worker.tasks import acceptance


@task(DeleteJob.task)
def delete(delivery: Delivery) -> None:
    """Delete key/value tags from workspaces; the Celery task id is the job's id."""
    acceptance.accept(DeleteJob, delivery)
