"""The public task ``tags.detach``."""

from __future__ import annotations

from worker import acceptance
from worker.messaging.tasks import Delivery, task
from worker.models.jobs import DetachJob


@task(DetachJob.task)
def detach(delivery: Delivery) -> None:
    """Take tags off resources; the Celery task id is the job's id."""
    acceptance.accept(DetachJob, delivery)
