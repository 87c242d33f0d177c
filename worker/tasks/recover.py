"""The task ``tags.recover``, which every worker sends itself every few seconds."""

from __future__ import annotations

from worker import recovery
from worker.messaging.app import SWEEPS
from worker.messaging.tasks import Delivery, task


@task("tags.recover", queue=SWEEPS, again=False)
def recover(delivery: Delivery) -> None:
    """Set going again what stands open in the store."""
    recovery.recover(delivery.body or None)
