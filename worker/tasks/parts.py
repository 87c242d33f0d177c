"""The task ``tags.part``: one part of a job that a producer streams."""

from __future__ import annotations

from worker import acceptance
from worker.errors import InvalidJob
from worker.messaging.tasks import Delivery, task
from worker.models.parts import Part


@task(Part.task)
def part(delivery: Delivery) -> None:
    """Keep a part of a streamed job; the last one in starts it."""
    try:
        acceptance.accept_part(delivery)
    except InvalidJob as invalid:
        acceptance.refuse(delivery, str(invalid))
