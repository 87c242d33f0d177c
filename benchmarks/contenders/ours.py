"""tagsweep through its own doors: producer, broker, workers, event."""

from __future__ import annotations

from typing import Any

from benchmarks.ground import LIST
from benchmarks.listening import Events
from benchmarks.work import Work, broker_url
from tagsweep import TagSweep
from tagsweep.producer.handle import JobHandle

#: what ``Undo`` does, in turn
STEPS = ("detach", "undo", "undo of the undo", "attach")


class Run:
    """One producer and one reader of the events, kept."""

    def __init__(self) -> None:
        self._sender = TagSweep()
        self._events = Events(broker_url())

    def __call__(self, work: Work) -> dict[str, Any]:
        """Send the job and wait until its event is in the stream."""
        return self._detach(work, work.lists(work.ids))

    def _detach(self, work: Work, lists: dict[str, Any]) -> dict[str, Any]:
        return self._followed(self._sender.detach(tenant=work.tenant, names=work.names, **lists))

    def _followed(self, job: JobHandle) -> dict[str, Any]:
        self._events.wait_for(job.id)
        return {"job": job.id}


class Ten(Run):
    """Ten jobs of a fifth of the ids each, sent one after the other and not waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._warm = False

    def __call__(self, work: Work) -> dict[str, Any]:
        """Warm up with one job; then send the ten."""
        self._warm, was_warm = True, self._warm
        if not was_warm:
            return super().__call__(work)
        fifth = len(work.ids) // 5
        for at in range(10):
            begin = at % 5 * fifth
            ids = work.ids[begin : begin + fifth]
            self._sender.detach(tenant=work.tenant, names=work.names, destinations=ids)
        return {}


class Select(Run):
    """The same, and no list: all that carry the tags."""

    def __init__(self) -> None:
        super().__init__()
        self._warm = False

    def __call__(self, work: Work) -> dict[str, Any]:
        """Warm up with a list of nothing that is there; then select."""
        self._warm, was_warm = True, self._warm
        return self._detach(work, {LIST: "*"} if was_warm else work.lists(work.ids))


class Undo(Run):
    """A detach, its undo, the undo of that, and an attach of the same: one with each call."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: list[str] = []

    def __call__(self, work: Work) -> dict[str, Any]:
        """Warm up with a detach of nothing that is there; then do the next of ``STEPS``."""
        at = len(self._jobs)
        if at <= 1:
            done = self._detach(work, work.lists(work.ids))
        elif at <= 3:  # noqa: PLR2004  # of the job before
            done = self._followed(self._sender.undo(tenant=work.tenant, job=self._jobs[-1]))
        else:
            lists = work.lists(work.ids)
            attach = self._sender.attach(tenant=work.tenant, names=work.names, **lists)
            done = self._followed(attach)
        self._jobs.append(done["job"])
        return done


class Merge(Run):
    """A merge of the tags into a new one."""

    def __init__(self) -> None:
        super().__init__()
        self._warm = False

    def __call__(self, work: Work) -> dict[str, Any]:
        """Warm up with a detach of nothing that is there; then merge."""
        self._warm, was_warm = True, self._warm
        if not was_warm:
            return super().__call__(work)
        job = self._sender.merge(tenant=work.tenant, names=work.names, into="merged")
        return self._followed(job)
