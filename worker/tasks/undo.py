"""The public task ``tags.undo``."""

from __future__ import annotations

from worker import acceptance
from worker.messaging.tasks import Delivery, task
from worker.models.jobs import UndoJob


@task(UndoJob.task)
def undo(delivery: Delivery) -> None:
    """Take back what an earlier job has changed; the Celery task id is the new job's id."""
    acceptance.accept(UndoJob, delivery)
