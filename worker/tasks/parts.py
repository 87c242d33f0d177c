"""The tasks of a job that a producer streams: ``tags.part``, and the probe behind the parts."""

from __future__ import annotations

from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.jobs import parts
from tagsweep.worker.models.parts import Part
from tagsweep.worker.tasks import acceptance


@task(Part.task)
def part(delivery: Delivery) -> None:
    """Keep a part of a streamed job; the last one in starts it."""
    try:
        acceptance.accept_part(delivery)
    except InvalidJob as invalid:
        acceptance.refuse(delivery, str(invalid))


@task("tags.probe")
def probe(delivery: Delivery) -> None:
    """Note that whatever stood before this message in the queue has been served."""
    with database.transaction() as connection:
        parts.probed(connection, UUID(delivery.body))
