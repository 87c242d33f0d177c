"""The handle of a job that was sent: its status, its result, and how to cancel it."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.broker import results, sending


class JobHandle:
    """A job that was sent, known by its id."""

    def __init__(self, sender: Any, job_id: str) -> None:
        self.id = job_id  #: a UUID, in its canonical spelling
        self._app = sender

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    def status(self) -> str:
        """Return ``queued``, ``running`` or how the job ended, as reported by a worker.

        Also ``queued`` if no worker answers within two seconds. Raises TagsweepError if there is
        no result backend.
        """
        return results.status(self._app, self.id)

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait up to ``timeout`` seconds for the job to end and return its completion data.

        Raises JobFailed, JobCancelled or JobRejected, with the reason; TimeoutError (the job
        continues); TagsweepError if there is no result backend.
        """
        return results.wait(self._app, self.id, timeout)

    def cancel(self) -> None:
        """Start no further chunk of the job; what is done stays done, and the event says so."""
        sending.send(self._app, "tags.cancel", self.id, ignore_result=True)
