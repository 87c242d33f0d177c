"""The public task ``tags.undo``."""

from __future__ import annotations

from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.models.jobs import UndoJob
from tagsweep.worker.tasks import acceptance


@task(UndoJob.task)
def undo(delivery: Delivery) -> None:
    """Take back what an earlier job has changed; the Celery task id is the new job's id."""
    acceptance.accept(UndoJob, delivery)
