"""The public task ``tags.detach``."""

from __future__ import annotations

from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.tasks import acceptance


@task(DetachJob.task)
def detach(delivery: Delivery) -> None:
    """Take tags off resources; the Celery task id is the job's id."""
    acceptance.accept(DetachJob, delivery)
