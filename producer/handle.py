"""A job that was sent: how it stands, what became of it, and that it be cancelled."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.broker import results, sending


class JobHandle:
    """A job that was sent, by its id."""

    def __init__(self, sender: Any, job_id: str) -> None:
        self.id = job_id  #: a UUID, in its canonical spelling
        self._app = sender

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    def status(self) -> str:
        """Return ``queued``, ``running`` or the job's end, as a worker tells it.

        ``queued`` also where no worker has answered within two seconds. Raises TagsweepError
        where there is no result backend.
        """
        return results.status(self._app, self.id)

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait up to ``timeout`` seconds for the job's end and return its completion data.

        Raises JobFailed, JobCancelled or JobRejected, with the reason; TimeoutError (the job goes
        on); TagsweepError where there is no result backend.
        """
        return results.wait(self._app, self.id, timeout)

    def cancel(self) -> None:
        """Let no further chunk of the job begin; what is done stays done, and the event tells."""
        sending.send(self._app, "tags.cancel", self.id, ignore_result=True)
