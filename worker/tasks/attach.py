"""The public task ``tags.attach``."""

from __future__ import annotations

from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.models.jobs import AttachJob
from tagsweep.worker.tasks import acceptance


@task(AttachJob.task)
def attach(delivery: Delivery) -> None:
    """Put tags on resources; the Celery task id is the job's id."""
    acceptance.accept(AttachJob, delivery)
