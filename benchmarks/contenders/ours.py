"""tagsweep through its own doors: producer, broker, workers, event."""

from __future__ import annotations

from typing import Any

from benchmarks.listening import Events
from benchmarks.work import Work, broker_url
from producer import TagSweep


class Run:
    """One producer and one reader of the events, kept."""

    def __init__(self) -> None:
        self._sender = TagSweep()
        self._events = Events(broker_url())

    def __call__(self, work: Work) -> dict[str, Any]:
        """Send the job and wait until its event is in the stream."""
        job = self._sender.detach(tenant=work.tenant, names=work.names, destinations=work.ids)
        self._events.wait_for(job.id)
        return {"job": job.id}
