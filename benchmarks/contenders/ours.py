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
        return self._detach(work, work.ids)

    def _detach(self, work: Work, destinations: list[str] | str) -> dict[str, Any]:
        job = self._sender.detach(tenant=work.tenant, names=work.names, destinations=destinations)
        self._events.wait_for(job.id)
        return {"job": job.id}


class Select(Run):
    """The same, and no list: all that carry the tags."""

    def __init__(self) -> None:
        super().__init__()
        self._warm = False

    def __call__(self, work: Work) -> dict[str, Any]:
        """Warm up with a list of nothing that is there; then select."""
        self._warm, was_warm = True, self._warm
        return self._detach(work, "*" if was_warm else work.ids)
