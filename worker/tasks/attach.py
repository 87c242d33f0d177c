"""The public task ``tags.attach``."""

from __future__ import annotations

from worker import acceptance
from worker.messaging.tasks import Delivery, task
from worker.models.jobs import AttachJob


@task(AttachJob.task)
def attach(delivery: Delivery) -> None:
    """Put tags on resources; the Celery task id is the job's id."""
    acceptance.accept(AttachJob, delivery)
