"""The task ``tags.recover``, which every worker sends itself every few seconds."""

from __future__ import annotations

from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.tasks import recovery


# acknowledged early: behind one that waits for a broker that takes no messages, the next is at hand
@task("tags.recover", again=False, acks_late=False)
def recover(delivery: Delivery) -> None:
    """Set going again what stands open in the store."""
    recovery.recover(delivery.body or None)
