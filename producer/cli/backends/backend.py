"""What commands ask for, wherever the jobs are: the protocol of the backends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from tagsweep.worker.audit.actions import EntryFilter
from tagsweep.worker.models.jobs import Job

#: a job as JSON, as the gateway and the command line show it (``models.views``)
Shown = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs are wanted."""

    tenant: str | None = None
    kind: str | None = None
    status: str | None = None
    since: datetime | None = None
    by: str | None = None  #: the name of who asked for them


class Backend(Protocol):
    """What commands need. Every method raises TagsweepError if a server does not answer."""

    silence: str  #: why nothing may be happening to a job, for people

    def record(self, job: Job) -> UUID:
        """Record the job and return its id; from then on it is never lost."""

    def left(self) -> str | None:
        """Return what to tell somebody who does not wait for the job; None if nothing."""

    def interrupted(self, job_id: UUID) -> str:
        """Return what becomes of a job that nobody waits for any more."""

    def working(self, job_id: UUID) -> AbstractContextManager[None]:
        """Make sure that a worker works on the job during the block."""

    def find(self, job_id: UUID) -> Shown:
        """Return the job as it is now; raises NoSuchJob."""

    def pauses(self) -> Iterator[float]:
        """Yield the seconds to pause between two looks at a job, without end."""

    def completion(self, job: Shown) -> dict[str, Any]:
        """Return the completion data of a job that has ended."""

    def latest(self, query: JobQuery, limit: int, *, whole: bool) -> list[Shown]:
        """Return up to ``limit`` jobs, the newest first; with their tags if ``whole``."""

    def tag_names(self, tenant: str, start: str, limit: int) -> list[str]:
        """Return up to ``limit`` names of the tenant's tags that begin with ``start``."""

    def cancel(self, job_id: UUID) -> Shown:
        """Start no further chunk, and return the job as it is then; raises NoSuchJob."""

    def retry(self, job_id: UUID) -> Shown:
        """Run an ended job again on what is left; raises NoSuchJob, NothingToRetry."""

    def run(self, preview: UUID, note: str | None) -> UUID:
        """Record the job that does what the preview has shown, and return its id.

        ``note``: in place of the preview's own. Raises NoSuchJob, CannotRun, Forgotten,
        NeedsApproval.
        """

    def pause(self, job_id: UUID) -> Shown:
        """Start no further chunk until the job is resumed; raises NoSuchJob, NotRunning."""

    def resume(self, job_id: UUID) -> Shown:
        """Continue a paused job; raises NoSuchJob, NotRunning."""

    def receipt(self, job_id: UUID, outcomes: Sequence[str], form: str) -> Iterator[str]:
        """Yield the receipt of the job in pieces; ``form`` is its media type.

        Raises NoSuchJob, and Forgotten if the receipt has expired.
        """

    def events(self, since: datetime | None, *, follow: bool) -> Iterator[str | None]:
        """Yield the completion events as JSON, in the feed's order.

        ``follow``: without end, and None whenever there is nothing new at the moment.
        """

    def audit(self, query: EntryFilter, limit: int | None) -> Iterator[Shown]:
        """Yield up to ``limit`` entries of the audit trail, or all, the newest first."""
