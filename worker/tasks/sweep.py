"""The task ``tags.sweep``: a token that makes a worker apply open chunks."""

from __future__ import annotations

from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.tasks import sweeping


# a lost sweep is replaced by any other, one that came again would be one more
@task("tags.sweep", again=False)
def sweep(_: Delivery) -> None:
    """Apply open chunks for a time slice."""
    sweeping.sweep()
