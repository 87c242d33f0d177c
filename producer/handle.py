"""The handle of a job that was sent: its status, its result, and what can be done with it."""

from __future__ import annotations

from typing import Any, Protocol, Unpack
from uuid import UUID

from tagsweep.producer.options import Options
from tagsweep.worker.broker import results, sending
from tagsweep.worker.errors import Rejected

NO_TENANT = (
    "Whose job {id} is, its id alone does not tell: get its handle by "
    "TagSweep.job({id!r}, tenant=…)."
)


class Sender(Protocol):
    """Sends the jobs that follow from another."""

    def undo(
        self,
        *,
        tenant: str,
        job: str | UUID,
        job_id: str | UUID | None = None,
        **options: Unpack[Options],
    ) -> JobHandle:
        """Undo what ``job`` has changed."""

    def run(self, *, tenant: str, job: str | UUID, note: str | None = None) -> JobHandle:
        """Do what ``job``, a preview, has shown."""


class JobHandle:
    """A job that was sent, known by its id."""

    def __init__(self, app: Any, job_id: str, sender: Sender, tenant: str | None) -> None:
        self.id = job_id  #: a UUID, in its canonical spelling
        self._app = app
        self._sender = sender
        self._tenant = tenant

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

    def undo(self, *, job_id: str | UUID | None = None, **options: Unpack[Options]) -> JobHandle:
        """Undo what the job has changed, as a new job, whose handle is returned.

        The job must have ended, else the new one ends ``rejected`` and says so. Raises Rejected if
        the handle does not know whose job it is; BrokerUnavailable.
        """
        return self._sender.undo(tenant=self._owner(), job=self.id, job_id=job_id, **options)

    def run(self, *, note: str | None = None) -> JobHandle:
        """Do what the job, a preview, has shown; return the handle of the job that does it.

        However often it is called, there is one such job. Raises as ``undo``.
        """
        return self._sender.run(tenant=self._owner(), job=self.id, note=note)

    def _owner(self) -> str:
        if self._tenant is None:
            raise Rejected(NO_TENANT.format(id=self.id))
        return self._tenant
